/** `progs`, `maps` and `links` beside bpftool's `prog`, `map`, `link` and `net`, field by field: whatever it tells has its counterpart here. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { enableStatistics } from "../../src/sys/bpf-statistics.ts";
import { cannotRun, ended, needs, PASS, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const unique = `b${process.pid.toString(36)}`;
const skipped = needs("bpftool");

const MODULE = `import { array, bloomFilter, hash, perCpuArray, progArray, tc, TC_ACT_OK, u32, u64, XDP_PASS, xdp } from "wirescript/kernel";
export const ${unique}c = perCpuArray({ value: u64, entries: 2, pinned: true });
export const ${unique}h = hash({ key: u32, value: u64, entries: 8 });
export const ${unique}a = array({ value: u64, entries: 1, mmapable: true });
export const ${unique}j = progArray({ entries: 2, pinned: true });
export const ${unique}f = bloomFilter({ value: u32, entries: 8 });
export const ${unique}x = xdp((ctx) => {
  const count = ${unique}c.lookup(1);
  const flow = ${unique}h.lookup(7);
  const first = ${unique}a.lookup(0);
  if (count && flow && first && ${unique}f.has(3)) count.value += flow.value + first.value;
  ${unique}j.tailCall(ctx, 0);
  return XDP_PASS;
});
export const ${unique}t = tc.egress(() => TC_ACT_OK);
`;

type Json = Record<string, unknown>;

/** What each field of `theirs` is here. A field that has no counterpart fails the test. */
function sameFields(theirs: Json, counterparts: Record<string, unknown>): void {
  const known = Object.keys(theirs).map((field) => [field, field in counterparts ? counterparts[field] : "no counterpart"]);
  expect(Object.fromEntries(known)).toEqual(theirs);
}

describe.skipIf(cannotRun !== null || skipped !== "")(titled(`the same as bpftool tells${skipped}`), () => {
  let box: Sandbox;
  const dev = `${unique}d`;
  const module = () => join(box.directory, "seen.bpf.ts");
  const ours = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript(...args, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  const bpftool = (...args: string[]) => JSON.parse(box.output("bpftool", "-j", "-f", ...args));
  let id: string;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    writeFileSync(module(), MODULE);
    expect(box.wirescript("load", dev, module())).toMatchObject({ status: 0, stderr: "" });
    id = `${JSON.parse(box.output("ip", "-json", "-details", "link", "show", "dev", dev))[0].xdp.prog.id}`;
    expect(box.wirescript("pin", "prog", id, `/sys/fs/bpf/${unique}`).status).toBe(0);
  });
  afterAll(() => box[Symbol.dispose]());

  test("of a program, its runs included", () => {
    using _ = enableStatistics();
    expect(box.wirescript("run", id, "-p", "eth/ip/udp", "--repeat", "100").status).toBe(0);
    // The device has traffic of its own, until it is down.
    box.output("ip", "link", "set", dev, "down");
    const theirs = bpftool("prog", "show", "id", id);
    const program = ours("progs", "show", id);
    const shown = box.wirescript("progs", "show", id).stdout;
    box.output("ip", "link", "set", dev, "up");
    expect(program.runs).toBeGreaterThanOrEqual(100);
    sameFields(theirs, {
      ...{ id: program.id, type: program.type, name: program.name.slice(0, 15), tag: program.tag, uid: program.uid },
      ...{ gpl_compatible: program.gplCompatible, run_time_ns: program.runTime, run_cnt: program.runs },
      recursion_misses: program.recursionMisses,
      // Seconds since 1970, which each program computes from the time since the start of the machine.
      loaded_at: expect.closeTo(Date.parse(program.loadedAt) / 1000, -0.5),
      ...{ bytes_xlated: program.instructions * 8, jited: program.jitedBytes > 0, bytes_jited: program.jitedBytes },
      ...{ bytes_memlock: program.memory, btf_id: program.btfId, pinned: program.pins },
      map_ids: program.maps.map((map: Json) => map.id),
    });
    expect(program.pins).toEqual([`/sys/fs/bpf/${unique}`]);
    expect(program.verifiedInstructions).toBeGreaterThan(0);
    for (const field of [program.tag, program.btfId, program.memory, program.jitedBytes, program.verifiedInstructions])
      expect(shown).toContain(`${field}`);
    expect(shown).toMatch(new RegExp(`^runs {6}${program.runs}, \\d+ ns each`, "m"));
    expect(shown).toContain(`pinned    /sys/fs/bpf/${unique}`);
  });

  test("of maps", () => {
    for (const { id: map } of ours("progs", "show", id).maps) {
      const theirs = bpftool("map", "show", "id", `${map}`);
      const { pids: _, ...fields } = theirs;
      const found = ours("maps", "show", `${map}`);
      expect(found.flags).toHaveLength(theirs.flags.toString(2).replaceAll("0", "").length);
      sameFields(fields, {
        ...{ id: found.id, type: found.type.replace("per-CPU ", "percpu_").replace(" ", "_"), name: found.name },
        ...{ bytes_key: found.keySize, bytes_value: found.valueSize, max_entries: found.maxEntries, flags: theirs.flags },
        ...{ bytes_memlock: found.memory, frozen: Number(found.frozen), btf_id: found.btfId, pinned: found.pins },
        ...{ owner_prog_type: found.owner?.programType, owner_jited: found.owner?.jited },
      });
      if (found.name === `${unique}f`) expect(found.extra).toBe(5);
      if (found.name === `${unique}j`) expect(found.owner).toMatchObject({ programType: "xdp" });
    }
  });

  test("of links, and of what is attached without one", async () => {
    writeFileSync(
      join(box.directory, "hold.mjs"),
      `import { load } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
       const pass = await load(${JSON.stringify(PASS)});
       pass.programs.pass.attach({ dev: "${dev}p", mode: "native" });
       console.log("ready");
       setInterval(() => {}, 1000);`,
    );
    expect(box.wirescript("load", dev, "--tc", module()).status).toBe(0);
    const holder = box.startNode(join(box.directory, "hold.mjs"));
    try {
      await printed(holder, "ready");
      const rows: (Json & { program: Json })[] = ours("links").filter((row: Json) => `${row.dev}`.startsWith(dev));
      const [link] = rows.filter(({ linkId }) => linkId !== null);
      const { pids: _, ...theirs } = bpftool("link", "show", "id", `${link?.linkId}`);
      sameFields(theirs, {
        ...{ id: link?.linkId, type: link?.type, prog_id: link?.program.id, ifindex: link?.ifindex, devname: link?.dev },
        pinned: link?.pins,
      });
      const [net] = bpftool("net", "show");
      const mine = (list: Json[]) => list.filter(({ devname }) => `${devname}`.startsWith(dev)).toSorted(byIndex);
      const hooks = (kind: string) => rows.filter(({ hook }) => `${hook}`.startsWith(kind)).toSorted(byIndex);
      const place = ({ dev, ifindex, program }: Json & { program: Json }) => ({ devname: dev, ifindex, id: program.id });
      for (const [index, each] of mine(net.xdp).entries()) {
        const row = hooks("xdp")[index];
        if (row !== undefined) sameFields(each, { ...place(row), mode: row.mode === "native" ? "driver" : row.mode });
      }
      for (const [index, each] of mine(net.tc).entries()) {
        const row = hooks("clsact")[index];
        // The filter's name: the program's, and a note of ours about the qdisc.
        const name = expect.stringContaining(`${row?.program.name}`);
        if (row !== undefined) sameFields(each, { ...place(row), kind: `${row.hook}`.replace(" ", "/"), name });
      }
      expect([hooks("xdp").length, hooks("clsact").length]).toEqual([mine(net.xdp).length, mine(net.tc).length]);
      expect([hooks("xdp").length, hooks("clsact").length]).toEqual([2, 1]);
    } finally {
      const gone = ended(holder);
      holder.kill();
      await gone;
    }
  });
});

function byIndex(left: Json, right: Json): number {
  return Number(left.ifindex) - Number(right.ifindex);
}
