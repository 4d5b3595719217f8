import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeBtf } from "../object/btf/decode.ts";
import { KernelTypes } from "../object/btf/kernel-types.ts";
import { kernelVersion } from "./kernel-config.ts";
import { kernelTypes } from "./kernel-types.ts";

const PATH = "/sys/kernel/btf/vmlinux";
const reason = existsSync(PATH) ? "" : ` (skipped: needs ${PATH})`;

describe("the kernel's version", () => {
  it.each([
    ["6.18.44-fc", "#1 SMP", null, [6, 18, 44]],
    ["6.1.0-13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)", null, [6, 1, 55]],
    ["5.15.0-91-generic", "#101-Ubuntu SMP", "Ubuntu 5.15.0-91.101-generic 5.15.131\n", [5, 15, 131]],
    ["4.19.300", "#1", null, [4, 19, 255]],
    ["6.12-rc1", "#1", null, [6, 12, 0]],
  ])("of %s %s", (release, version, signature, [major = 0, minor = 0, patch = 0]) => {
    expect(kernelVersion(release, version, signature)).toBe(major * 65536 + minor * 256 + patch);
  });
});

describe.skipIf(reason !== "")(`the kernel's types${reason}`, () => {
  it("are the same one by one as all at once, and found by name", () => {
    const { types } = decodeBtf(readFileSync(PATH));
    const kernel = kernelTypes();
    expect(kernel.count).toBe(types.length);
    for (let id = 1; id <= types.length; id += 997) expect(kernel.type(id)).toEqual(types[id - 1]);
    const named = (name: string) =>
      types.flatMap((type, index) =>
        "name" in type && (type.name === name || type.name.startsWith(`${name}___`)) ? [index + 1] : [],
      );
    for (const name of ["net_device", "sk_buff", "list_head", "u32", "bpf_prog_run", "no_such_name", "xdp_action", ""])
      expect([name, kernel.named(name)]).toEqual([name, name === "" ? [] : named(name)]);
  });

  it("are found the same by who asks for very many of them", () => {
    const [few, many] = [kernelTypes(), new KernelTypes(readFileSync(PATH))];
    for (let number = 0; number < 300; number++) many.named(`name ${number}`);
    for (const name of ["net_device", "sk_buff", "u32", "xdp_action", "no_such_name"])
      expect([name, many.named(name)]).toEqual([name, few.named(name)]);
  });
});
