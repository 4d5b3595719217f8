/** What the running kernel does not have: the failure names it, and what is not reached does no harm. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArrayMap, type LoadedObject, WirescriptError } from "../../src/index.ts";
import { load } from "../../src/runtime/load.ts";
import { CLANGS, compiled, loadedByUs, missing } from "./against-libbpf.ts";

describe.each(CLANGS)("what %s makes", (clang) => {
  const lacks = missing(clang);
  const failure = async (loading: Promise<LoadedObject>): Promise<WirescriptError> => {
    const outcome = await loading.then(
      (object) => object.close(),
      (error) => error,
    );
    if (outcome instanceof WirescriptError) return outcome;
    throw new Error("it was loaded");
  };

  it.skipIf(lacks !== "")(`is refused when it is reached, by name, with what there is instead${lacks}`, async () => {
    const file = compiled(clang, "missing");
    const refused = async (program: string) => {
      const { message, why, fix, code } = await failure(load(file, { programs: [program] }));
      expect({ code, fix }).toEqual({ code: "KERNEL", fix: expect.stringMatching(/^Ask first/) });
      return [message.replace(/ \(.*missing\.c:\d+:\d+\)/, " (HERE)"), why];
    };
    expect(await refused("member")).toEqual([
      'The program "member" needs the member no_such_member of struct net_device, which the running kernel does not have (HERE).',
      "The running kernel's BTF has struct net_device, but it has no member no_such_member.",
    ]);
    expect(await refused("other_kind")).toEqual([
      'The program "other_kind" needs the member next of struct list_head, which the running kernel does not have (HERE).',
      "The running kernel's BTF has struct list_head, but its member next is of another kind.",
    ]);
    expect(await refused("type")).toEqual([
      'The program "type" needs the member a of struct no_such_struct, which the running kernel does not have (HERE).',
      "The running kernel's BTF has no struct no_such_struct.",
    ]);
    expect(await refused("enumerator")).toEqual([
      'The program "enumerator" needs the enumerator XDP_NO_SUCH of enum xdp_action___mine, which the running kernel does not have (HERE).',
      "The running kernel's BTF has enum xdp_action___mine, but it has no enumerator XDP_NO_SUCH.",
    ]);
    const [what, why] = await refused("function");
    expect(what).toBe(
      'The program "function" needs the function bpf_no_such_function, which the running kernel does not have (HERE).',
    );
    expect(why).toMatch(/^It is weak, and the kernel does not have it\./);
    expect((await loadedByUs(file, { programs: ["fine"] })).run("fine", new Uint8Array(64))).toBe(2);
  });

  it.skipIf(lacks !== "")(`is refused at once where it must be there${lacks}`, async () => {
    const file = compiled(clang, "missing", "-DNEEDED");
    const refused = async (program: string) => {
      const { message, why, fix } = await failure(load(file, { programs: [program] }));
      expect([why, fix]).toEqual([expect.any(String), expect.any(String)]);
      return message;
    };
    expect(await refused("needs_function")).toBe(
      "The object needs the function bpf_needed of the running kernel (__ksym), which it does not have.",
    );
    expect(await refused("needs_setting")).toBe(
      "The object needs the setting CONFIG_NO_SUCH_SETTING of the running kernel (__kconfig), which it does not have.",
    );
    expect(await refused("needs_symbol")).toBe(
      "The object needs the variable no_such_symbol of the running kernel (__ksym), which it does not have.",
    );
    expect(await refused("needs_other_type")).toBe("The variable CONFIG_HZ cannot hold what it stands for.");
    expect(await refused("needs_other_function")).toBe(
      "The function bpf_cast_to_kern_ctx of the running kernel has another type than the object says.",
    );
    // Programs that need none of it are loaded all the same.
    expect((await loadedByUs(file, { programs: ["fine"] })).run("fine", new Uint8Array(64))).toBe(2);
  });

  it.skipIf(lacks !== "")(`is found by its type where the kernel lists variables, else named${lacks}`, async () => {
    const file = compiled(clang, "kernel", "-DVARIABLE");
    const listed = readFileSync("/proc/kallsyms", "latin1").includes(" softnet_data\n");
    if (listed) {
      const { object, run } = await loadedByUs(file, { programs: ["variable"] });
      run("variable", new Uint8Array(64));
      expect(object.map("answers", ArrayMap).get(13)).toBe(1n);
    } else {
      const { message, why } = await failure(load(file, { programs: ["variable"] }));
      expect(message).toContain('The program "variable" needs the variable softnet_data of the running kernel');
      expect(why).toContain("CONFIG_KALLSYMS_ALL");
    }
  });
});
