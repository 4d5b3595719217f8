/** Programs whose license forbids what they call: refused with the call and the reason, by the kernel and already by the compiler. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compileC } from "../../test/compile-c.ts";
import { lacking, temporaryDirectory } from "../../test/foreign-tools.ts";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { compile } from "../compiler/compile.ts";
import { WirescriptError } from "../errors.ts";
import { load } from "./load.ts";

const FILE = resolve("test/example.bpf.ts");
const compiled = (text: string, license?: string) => compile(FILE, { license, overlay: new Map([[FILE, text]]) }).spec;
const TRACES = `import { trace, XDP_PASS, xdp } from "wirescript/kernel";
export const p = xdp((ctx) => {
  trace\`\${ctx.length}\`;
  return XDP_PASS;
});
`;
const FREE = `import { csumDiff, getPrandomU32, getSmpProcessorId, hash, ktimeGetNs, redirect, ringBuffer, struct, u32, u64, XDP_PASS, xdp } from "wirescript/kernel";
const Event = struct({ at: u64, cpu: u32, pad: u32 });
export const events = ringBuffer({ value: Event, bytes: 4096 });
export const seen = hash({ key: u32, value: u64, entries: 16 });
export const p = xdp((ctx) => {
  seen.update(getSmpProcessorId(), ktimeGetNs());
  if (!ctx.adjustHead(0)) return XDP_PASS;
  return redirect(getPrandomU32());
});
`;

async function refusal(loading: Promise<{ close(): void }>): Promise<WirescriptError> {
  const outcome = await loading.then(
    (object) => object.close(),
    (error) => error,
  );
  if (outcome instanceof WirescriptError) return outcome;
  throw new Error("it was loaded");
}

describe.skipIf(noKernel !== null)(`the kernel${withoutKernel}`, () => {
  test("refuses a module of ours by the call and its line, not in the verifier's words", async () => {
    const { code, message, why, fix } = await refusal(load({ ...compiled(TRACES), license: "MIT" }));
    expect(code).toBe("KERNEL");
    expect(message).toMatch(
      /^The program "p" may not call the helper function bpf_trace_printk( \(.*example\.bpf\.ts:3\))?: its license is "MIT"\.$/,
    );
    expect(why).toContain("compatible with the GPL");
    expect(fix).toContain('SEC("license") = "GPL"');
  });

  test.skipIf(lacking("clang-19", "gcc") !== "")(
    `refuses an object of C, with another license and without one${lacking("clang-19", "gcc")}`,
    async () => {
      for (const [license, words] of [
        ['char _license[] SEC("license") = "Proprietary";', 'its license is "Proprietary"'],
        ["", "its object names no license"],
      ]) {
        const source = join(temporaryDirectory(), "traces.c");
        writeFileSync(
          source,
          `#define SEC(name) __attribute__((section(name), used))
static long (*bpf_trace_printk)(const char *, unsigned, ...) = (void *)6;
${license}
SEC("xdp") int says(void *ctx) { char text[] = "hello"; bpf_trace_printk(text, sizeof text); return 2; }
`,
        );
        const { code, message } = await refusal(load(compileC(source)));
        expect(code).toBe("KERNEL");
        expect(message).toContain(`The program "says" may not call the helper function bpf_trace_printk`);
        expect(message).toContain(words);
      }
    },
  );

  test("takes what calls no such function under any license", async () => {
    const object = await load(compiled(FREE, "MIT"));
    expect(object.program("p").run(new Uint8Array(64)).action).toBe(4);
    object.close();
  });
});

describe("the compiler", () => {
  test("names the call and its line", () => {
    expect(() => compiled(TRACES, "MIT")).toThrow(
      /^The program "p" calls the helper function bpf_trace_printk \(example\.bpf\.ts:3:3\), and its license is "MIT"\.$/,
    );
    expect(compiled(TRACES).license).toBe("Dual MIT/GPL");
    expect(compiled(TRACES, "Dual BSD/GPL").license).toBe("Dual BSD/GPL");
  });

  test("refuses what is no license", () => {
    for (const license of ["", "x".repeat(200), "a\0b"]) {
      expect(() => compiled(TRACES, license)).toThrow("That is no license for a program.");
    }
  });
});
