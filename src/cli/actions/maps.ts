/** `wirescript maps`: the maps in the kernel as a list, and one of them in full. */
import { openMapFd } from "../../runtime/kernel-objects.ts";
import { listMapReports, mapReport, mapSurroundings, mapTypeTexts } from "../../runtime/map-report.ts";
import { parseSelector } from "../../runtime/selector.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { sayTable } from "../table.ts";
import { paint, say, sayJson } from "../terminal.ts";

export async function listMaps({ json }: { json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at maps");
  const maps = listMapReports();
  if (json === true) return sayJson(maps);
  const rows = maps.map(({ id, type, name, keySize, valueSize, maxEntries, memory, programs, pins }) => [
    `${id}`,
    type,
    name || "-",
    `${keySize}`,
    `${valueSize}`,
    `${maxEntries}`,
    memory === null ? "-" : `${memory} B`,
    programs.map((program) => program.name || `${program.id}`).join(" ") || "-",
    pins.join(" ") || "-",
  ]);
  sayTable(["ID", "Type", "Name", "Key", "Value", "Entries", "Memory", "Programs", "Pinned"], rows);
}

export async function showMap(words: readonly string[], { json }: { json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at maps");
  using fd = openMapFd(parseSelector(words, "map"));
  const report = { ...mapReport(fd, mapSurroundings()), ...mapTypeTexts(fd) };
  if (json === true) return sayJson(report);
  const { id, type, name, keySize, valueSize, maxEntries, flags, extra, memory, frozen, owner, btfId, programs, pins } = report;
  const { keyType, valueType } = report;
  const rows: [string, string][] = [
    ["map", `${name || "(no name)"}, id ${id}`],
    ["type", `${type}, at most ${maxEntries} entries`],
    ["key", `${keySize} bytes${keyType === null ? "" : `, ${keyType}`}`],
    ["value", `${valueSize} bytes${valueType === null ? "" : `, ${valueType}`}`],
    ["flags", `${flags.join(" ") || "none"}${frozen ? ", frozen (read-only for user space)" : ""}${nodeText(flags)}`],
    ...(extra === 0 ? [] : [["extra", `${extra}`] as [string, string]]),
    ...(owner === null
      ? []
      : [["takes", `${owner.programType} programs${owner.jited ? "" : ", interpreted"}`] as [string, string]]),
    ...(memory === null ? [] : [["memory", `${memory} bytes`] as [string, string]]),
    ["types", btfId === 0 ? "none (no BTF)" : `BTF ${btfId}`],
    ...programs.map((program): [string, string] => ["used by", `${program.name || "(no name)"}, id ${program.id}`]),
    ...pins.map((pin): [string, string] => ["pinned", pin]),
  ];
  for (const [label, value] of rows) say(`${paint("bold", label.padEnd(10))}${value}`);
}

function nodeText(flags: readonly string[]): string {
  return flags.includes("BPF_F_NUMA_NODE") ? " (on one NUMA node, but the kernel does not tell on which)" : "";
}
