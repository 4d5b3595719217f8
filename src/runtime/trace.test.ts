/** Lines of the kernel's trace, as kernels have written them. */
import { expect, test } from "vitest";
import { parseTraceLine } from "./trace.ts";

test("what programs say", () => {
  expect(parseTraceLine("          <idle>-0       [001] ..s2.  1234.567890: bpf_trace_printk: ttl=64 (of 255)")).toEqual({
    ...{ at: 1234.56789, cpu: 1, task: "<idle>", pid: 0, event: "bpf_trace_printk", message: "ttl=64 (of 255)" },
  });
  // A name with spaces and dashes, thread groups shown, and the four flags of older kernels.
  expect(parseTraceLine("   my-task one-4711  (   4700) [012] d.h.   0.000001: bpf_trace_printk: a: b")).toMatchObject({
    ...{ cpu: 12, task: "my-task one", pid: 4711, message: "a: b" },
  });
  expect(parseTraceLine("  node-1 [000] ...11  7.000000: bpf_trace_printk: ")).toMatchObject({ message: "" });
});

test("what was lost, what others trace, and what is no line", () => {
  expect(parseTraceLine("CPU:3 [LOST 1476 EVENTS]")).toEqual({ cpu: 3, lost: 1476 });
  expect(parseTraceLine("  bash-9  [000] .....  7.1: sched_switch: prev_comm=bash")).toMatchObject({ event: "sched_switch" });
  for (const text of ["", "# tracer: nop", "bpf_trace_printk"]) expect(parseTraceLine(text)).toBeNull();
});
