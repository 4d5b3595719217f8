import { describe, expect, it } from "vitest";
import { BtfBuilder } from "../btf/builder.ts";
import type { BtfType } from "../btf/types.ts";
import type { ExternSpec } from "../spec.ts";
import { kconfigSection, parseKconfig } from "./kconfig.ts";

const TEXT = `
# CONFIG_OFF is not set
CONFIG_ON=y
CONFIG_MODULE=m
CONFIG_HZ=250
CONFIG_NEGATIVE=-5
CONFIG_HEX=0xffffffff
CONFIG_BIG=0x100000000
CONFIG_NAME="host"
`;

/** The bytes of a variable of this type. */
function value(name: string, type: BtfType | ((btf: BtfBuilder) => number), weak = false): number[] {
  const btf = new BtfBuilder();
  const typeId = typeof type === "function" ? type(btf) : btf.add(type);
  const extern: ExternSpec = { name, section: ".kconfig", kind: "variable", typeId, weak };
  const kernel = { version: 0x61205, config: () => parseKconfig(TEXT) };
  return [...(kconfigSection([extern], btf, new Set([name]), kernel)?.bytes ?? [])];
}

const int = (size: number, encoding: "signed" | "unsigned" | "bool" | "char"): BtfType => ({
  kind: "int",
  name: "t",
  size,
  bits: size * 8,
  encoding,
});
const text = (length: number) => (btf: BtfBuilder) =>
  btf.add({ kind: "array", type: btf.add(int(1, "signed")), indexType: 1, length });
const tristate: BtfType = { kind: "enum", name: "libbpf_tristate", size: 4, signed: false, values: [] };

describe("a setting of the kernel", () => {
  it("is what its type makes of it", () => {
    expect(value("LINUX_KERNEL_VERSION", int(4, "signed"))).toEqual([5, 0x12, 6, 0]);
    expect(value("CONFIG_ON", int(1, "bool"))).toEqual([1]);
    expect(value("CONFIG_MODULE", int(1, "signed"))).toEqual(["m".charCodeAt(0)]);
    expect(value("CONFIG_MODULE", tristate)).toEqual([2, 0, 0, 0]);
    expect(value("CONFIG_HZ", int(2, "unsigned"))).toEqual([250, 0]);
    expect(value("CONFIG_NEGATIVE", int(8, "signed"))).toEqual([251, 255, 255, 255, 255, 255, 255, 255]);
    expect(value("CONFIG_HEX", int(4, "unsigned"))).toEqual([255, 255, 255, 255]);
    expect(value("CONFIG_NAME", text(8))).toEqual([..."host"].map((letter) => letter.charCodeAt(0)).concat(0, 0, 0, 0));
    expect(value("CONFIG_NAME", text(3))).toEqual([104, 111, 0]);
  });

  it("that its type cannot hold is refused, with both", () => {
    const refused = (name: string, type: Parameters<typeof value>[1]) => expect(() => value(name, type));
    refused("CONFIG_HZ", int(1, "unsigned")).not.toThrow();
    refused("CONFIG_HZ", int(1, "signed")).toThrow(
      expect.objectContaining({ why: "The kernel says CONFIG_HZ=250, and its type has 1 bytes." }),
    );
    refused("CONFIG_BIG", int(4, "unsigned")).toThrow("CONFIG_BIG");
    refused("CONFIG_MODULE", int(1, "bool")).toThrow("CONFIG_MODULE");
    refused("CONFIG_ON", int(4, "signed")).toThrow("CONFIG_ON");
    refused("CONFIG_NAME", int(4, "signed")).toThrow("CONFIG_NAME");
    refused("CONFIG_HZ", text(4)).toThrow("CONFIG_HZ");
  });

  it("that is not set is 0 when it is weak, and an error when it is not", () => {
    expect(value("CONFIG_OFF", int(4, "signed"), true)).toEqual([0, 0, 0, 0]);
    expect(() => value("CONFIG_OFF", int(4, "signed"))).toThrow(
      "The object needs the setting CONFIG_OFF of the running kernel",
    );
    expect(() => value("LINUX_UNHEARD_OF", int(4, "signed"))).toThrow("LINUX_UNHEARD_OF");
  });
});
