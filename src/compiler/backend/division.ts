/**
 * Signed division for machines before v4, which only have the unsigned one: divide the magnitudes, then give the result its
 * sign. `(x ^ s) - s` with `s` the sign spread over all bits (0 or -1) negates x exactly when s is -1. Division by zero gives 0 and
 * modulo by zero the dividend, as the unsigned instructions do; the most negative number divided by -1 wraps to itself.
 */
import type { AluCode, Register } from "./machine.ts";

/** A register, or an immediate. */
export type Operand = { register: Register } | { immediate: number };

export interface ArithmeticSink {
  /** A fresh register with a copy of `src`. */
  copy(src: Register): Register;
  alu(code: AluCode, dst: Register, operand: Operand): void;
}

/**
 * Appends the instructions to `sink`; returns the register of the quotient or remainder. An immediate divisor is neither 0 nor
 * -2^31, whose magnitude would be sign-extended.
 */
export function signedDivision(sink: ArithmeticSink, op: "sdiv" | "smod", dividend: Register, divisor: Operand): Register {
  const sign = spreadSign(sink, dividend);
  const result = magnitude(sink, dividend, sign);
  const code = op === "sdiv" ? "div" : "mod";
  if ("immediate" in divisor) {
    sink.alu(code, result, { immediate: Math.abs(divisor.immediate) });
    if (op === "sdiv" && divisor.immediate < 0) sink.alu("xor", sign, { immediate: -1 });
  } else {
    const divisorSign = spreadSign(sink, divisor.register);
    sink.alu(code, result, { register: magnitude(sink, divisor.register, divisorSign) });
    if (op === "sdiv") sink.alu("xor", sign, { register: divisorSign });
  }
  sink.alu("xor", result, { register: sign });
  sink.alu("sub", result, { register: sign });
  return result;
}

function spreadSign(sink: ArithmeticSink, value: Register): Register {
  const sign = sink.copy(value);
  sink.alu("arsh", sign, { immediate: 63 });
  return sign;
}

function magnitude(sink: ArithmeticSink, value: Register, sign: Register): Register {
  const result = sink.copy(value);
  sink.alu("xor", result, { register: sign });
  sink.alu("sub", result, { register: sign });
  return result;
}
