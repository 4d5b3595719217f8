import { expect, it } from "vitest";
import type { ObjectSpec, ProgramType } from "../object/spec.ts";
import { chooseProgram } from "./program-file.ts";

const object = (...programs: [name: string, type: ProgramType][]): ObjectSpec => ({
  license: "GPL",
  programs: programs.map(([name, type]) => ({ name, section: type === "xdp" ? "xdp" : "tc", type, functions: [] })),
  maps: [],
  data: [],
  btf: null,
});

it("takes the program for XDP where one for TC stands beside it", () => {
  const both = object(["tx", "sched_cls"], ["rx", "xdp"]);
  expect(chooseProgram(both, "f.o", {}).name).toBe("rx");
  expect(chooseProgram(both, "f.o", { prog: "tx" }).name).toBe("tx");
  expect(chooseProgram(object(["tx", "sched_cls"]), "f.o", {}).name).toBe("tx");
});

it("does not choose between two of a kind", () => {
  expect(() => chooseProgram(object(["a", "xdp"], ["b", "xdp"]), "f.o", {})).toThrow(/several programs/);
  expect(() => chooseProgram(object(["a", "xdp"]), "f.o", { prog: "c" })).toThrow(/no program "c"/);
});
