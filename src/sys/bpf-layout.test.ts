/**
 * Every number in the tables against the C headers of this system: a C program prints them, and each row is compared. What is newer than the
 * headers that distributions ship is compared with the types of the running kernel.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CALL, PSEUDO } from "../object/opcodes.ts";
import { MAP_TYPE } from "../object/spec.ts";
import { BPF, BPF_FS_MAGIC, TCX, XDP_FLAGS } from "./bpf-constants.ts";
import { ATTR, type AttrLayout, INFO, type InfoLayout } from "./bpf-layout.ts";

const HEADERS = ["linux/bpf.h", "linux/if_link.h", "linux/magic.h", "stddef.h", "stdio.h"];

/** The first C compiler that finds the kernel's headers, or null. */
function findCompiler(): string | null {
  for (const compiler of ["cc", "clang", "clang-19", "gcc"]) {
    try {
      const input = HEADERS.map((header) => `#include <${header}>\n`).join("");
      execFileSync(compiler, ["-x", "c", "-fsyntax-only", "-"], { input, stdio: ["pipe", "ignore", "ignore"] });
      return compiler;
    } catch {}
  }
  return null;
}

const compiler = findCompiler();

const INCLUDES = HEADERS.map((header) => `#include <${header}>`).join("\n");

/** Evaluates C expressions: name to value. */
function evaluate(expressions: Map<string, string>, declarations = INCLUDES): Map<string, bigint> {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-layout-"));
  try {
    const lines = [...expressions].map(
      ([name, expression]) => `printf("%s %llu\\n", "${name}", (unsigned long long)(${expression}));`,
    );
    const source = `${declarations}\nint main(void) {\n${lines.join("\n")}\nreturn 0; }\n`;
    writeFileSync(join(directory, "layout.c"), source);
    execFileSync(compiler ?? "cc", ["-o", join(directory, "layout"), join(directory, "layout.c")]);
    const output = execFileSync(join(directory, "layout"), { encoding: "utf8" });
    return new Map(
      output
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string])
        .map(([k, v]) => [k, BigInt(v)]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.skipIf(compiler === null)(
  `bpf(2) as linux/bpf.h has it${compiler === null ? " (skipped: no C compiler with kernel headers)" : ""}`,
  () => {
    it("gives every command its number, and every attribute field its offset and size", () => {
      const expressions = new Map<string, string>();
      const expected = new Map<string, bigint>();
      const row = (name: string, expression: string, value: number | bigint) => {
        expressions.set(name, expression);
        expected.set(name, BigInt(value));
      };
      for (const [command, layout] of Object.entries(ATTR) as [string, AttrLayout][]) {
        row(command, `BPF_${command}`, layout.command);
        for (const [field, [offset, bytes]] of Object.entries(layout.fields)) {
          if (layout.newer?.includes(field)) continue;
          const path = layout.member === null ? field : `${layout.member}.${field}`;
          row(`${command}.${field}.offset`, `offsetof(union bpf_attr, ${path})`, offset);
          row(`${command}.${field}.size`, `sizeof(((union bpf_attr *)0)->${path})`, bytes);
          expect(offset + bytes, `${command}.${field} lies within the attribute`).toBeLessThanOrEqual(layout.size);
        }
      }
      expect(evaluate(expressions)).toEqual(expected);
    });

    it("gives every info field its offset and size", () => {
      const expressions = new Map<string, string>();
      const expected = new Map<string, bigint>();
      for (const layout of Object.values(INFO) as InfoLayout[]) {
        for (const [field, [offset, bytes]] of Object.entries(layout.fields)) {
          if (layout.newer?.includes(field)) continue;
          const name = `${layout.struct}.${field}`;
          expressions.set(`${name}.offset`, `offsetof(struct ${layout.struct}, ${field})`);
          expected.set(`${name}.offset`, BigInt(offset));
          expressions.set(`${name}.size`, `sizeof(((struct ${layout.struct} *)0)->${field})`);
          expected.set(`${name}.size`, BigInt(bytes));
          expect(offset + bytes).toBeLessThanOrEqual(layout.size);
        }
        // Newer headers append fields, so a structure may have grown beyond what is read here.
        expressions.set(`${layout.struct}.fits`, `sizeof(struct ${layout.struct}) >= ${layout.size}`);
        expected.set(`${layout.struct}.fits`, 1n);
      }
      expect(evaluate(expressions)).toEqual(expected);
    });

    it("gives every constant its value", () => {
      const constants = {
        ...BPF,
        ...XDP_FLAGS,
        BPF_FS_MAGIC,
        BPF_PSEUDO_MAP_FD: PSEUDO.MAP_FD,
        BPF_PSEUDO_MAP_VALUE: PSEUDO.MAP_VALUE,
        BPF_PSEUDO_FUNC: PSEUDO.FUNC,
        BPF_PSEUDO_CALL: CALL.SUBPROGRAM,
        ...Object.fromEntries(Object.entries(MAP_TYPE).map(([name, number]) => [`BPF_MAP_TYPE_${name}`, number])),
      };
      const expressions = new Map(Object.keys(constants).map((name) => [name, name]));
      const younger = `#ifndef BPF_F_XDP_DEV_BOUND_ONLY\n#define BPF_F_XDP_DEV_BOUND_ONLY ${BPF.BPF_F_XDP_DEV_BOUND_ONLY} // Linux 6.3\n#endif`;
      const declarations = `${INCLUDES}\n${younger}`;
      expect(evaluate(expressions, declarations)).toEqual(
        new Map(Object.entries(constants).map(([name, value]) => [name, BigInt(value)])),
      );
    });
  },
);

const kernelTypes = kernelHeader();

/** The running kernel's types as C; null when they, bpftool, a C compiler, or in them TCX are lacking. */
function kernelHeader(): string | null {
  if (compiler === null || !existsSync("/sys/kernel/btf/vmlinux")) return null;
  try {
    const format = ["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"];
    const header = execFileSync("bpftool", format, {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return header.includes("BPF_LINK_TYPE_TCX") ? header : null;
  } catch {
    return null;
  }
}

it.skipIf(kernelTypes === null)(
  `what came with Linux 6.6 is as in the running kernel${kernelTypes === null ? " (skipped: no types of such a kernel, bpftool or C compiler)" : ""}`,
  () => {
    const expressions = new Map(Object.keys(TCX).map((name) => [name, name]));
    const expected = new Map(Object.entries(TCX).map(([name, value]) => [name, BigInt(value)]));
    const compare = (name: string, type: string, path: string, [offset, bytes]: readonly [number, number]) => {
      expressions.set(`${name}.offset`, `__builtin_offsetof(${type}, ${path})`);
      expected.set(`${name}.offset`, BigInt(offset));
      expressions.set(`${name}.size`, `sizeof(((${type} *)0)->${path})`);
      expected.set(`${name}.size`, BigInt(bytes));
    };
    for (const [command, { member, newer, fields }] of Object.entries(ATTR) as [string, AttrLayout][]) {
      for (const field of newer ?? []) {
        compare(
          `${command}.${field}`,
          "union bpf_attr",
          member === null ? field : `${member}.${field}`,
          fields[field] ?? [0, 0],
        );
      }
    }
    for (const { struct, newer, fields } of Object.values(INFO) as InfoLayout[]) {
      for (const field of newer ?? []) compare(`${struct}.${field}`, `struct ${struct}`, field, fields[field] ?? [0, 0]);
    }
    expect(evaluate(expressions, `${kernelTypes}\nint printf(const char *, ...);`)).toEqual(expected);
  },
);
