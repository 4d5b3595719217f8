import { expect, test } from "vitest";
import { unknownHelper } from "./unknown-helper.ts";

test("a kernel without bpf_loop is told apart from a program that is wrong", () => {
  for (const complaint of ["unknown func bpf_loop#181", "invalid func unknown#181"]) {
    const error = unknownHelper("p", `9: (85) call unknown#181\n${complaint}\nprocessed 9 insns`);
    expect(error?.code).toBe("KERNEL");
    expect(error?.message).toContain("bpf_loop");
    expect(error?.why).toContain("Linux 5.17");
    expect(error?.fix).toContain("fewer rounds");
  }
  expect(unknownHelper("p", "R1 invalid mem access 'scalar'")).toBeNull();
});
