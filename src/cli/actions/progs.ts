/** `wirescript progs`: the programs in the kernel as a list, and one of them in full. */
import { describeAttachment } from "../../runtime/attachments.ts";
import { openProgram } from "../../runtime/kernel-objects.ts";
import { listProgramReports, type ProgramReport, programReport, surroundings } from "../../runtime/program-report.ts";
import { parseSelector } from "../../runtime/selector.ts";
import { age } from "../age.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { sayTable } from "../table.ts";
import { paint, say, sayJson } from "../terminal.ts";

export async function listPrograms({ type, json }: { type?: string; json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at programs");
  const programs = listProgramReports().filter((program) => type === undefined || program.type === type);
  if (json === true) return sayJson(programs);
  const counted = programs.some(({ runs }) => runs > 0n);
  const rows = programs.map((program) => [
    `${program.id}`,
    program.type,
    program.name || "-",
    program.tag,
    program.attached.map(describeAttachment).join(", ") || "-",
    `${age(Date.now() - program.loadedAt.getTime())}`,
    `${program.uid}`,
    `${program.maps.length}`,
    `${program.instructions}`,
    program.jitedBytes > 0 ? `${program.jitedBytes} B` : "no",
    program.memory === null ? "-" : `${program.memory} B`,
    ...(counted ? [`${program.runs}`] : []),
  ]);
  const headings = ["ID", "Type", "Name", "Tag", "Attached", "Age", "UID", "Maps", "Insns", "JIT", "Memory"];
  sayTable(counted ? [...headings, "Runs"] : headings, rows);
}

export async function showProgram(words: readonly string[], { json }: { json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at programs");
  using fd = openProgram(parseSelector(words, "program"));
  const program = programReport(fd, surroundings());
  if (json === true) return sayJson(program);
  for (const [label, value] of rowsOf(program)) say(`${paint("bold", label.padEnd(10))}${value}`);
}

function rowsOf(program: ProgramReport): [string, string][] {
  const {
    id,
    type,
    name,
    tag,
    loadedAt,
    uid,
    gplCompatible,
    instructions,
    verifiedInstructions,
    jitedBytes,
    memory,
    btfId,
    maps,
  } = program;
  const verified = verifiedInstructions > 0 ? `, ${verifiedInstructions} walked by the verifier` : "";
  const rows: [string, string][] = [
    ["program", `${name || "(no name)"}, id ${id}`],
    ["type", type],
    ["tag", tag],
    ["license", gplCompatible ? "compatible with the GPL" : "not compatible with the GPL: some helpers are not for it"],
    ["loaded", `${loadedAt.toISOString()} (${age(Date.now() - loadedAt.getTime())} ago) by uid ${uid}`],
    [
      "code",
      `${instructions} instructions${verified}; ${jitedBytes > 0 ? `${jitedBytes} bytes of machine code` : "interpreted"}`,
    ],
  ];
  if (memory !== null) rows.push(["memory", `${memory} bytes`]);
  rows.push(["types", btfId === 0 ? "none (no BTF)" : `BTF ${btfId}`]);
  for (const map of maps) rows.push(["map", `${map.id}  ${map.name || "(no name)"}  ${map.type}`]);
  for (const attachment of program.attached) rows.push(["attached", describeAttachment(attachment)]);
  if (program.attached.length === 0) rows.push(["attached", "to no device"]);
  for (const pin of program.pins) rows.push(["pinned", pin]);
  if (program.recursionMisses > 0n) rows.push(["skipped", `${program.recursionMisses} runs, because it was running already`]);
  if (program.runs > 0n)
    rows.push(["runs", `${program.runs}, ${program.runTime / program.runs} ns each, counted while statistics were on`]);
  return rows;
}
