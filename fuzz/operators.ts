/** The table of docs/language.md, "Integers", said once more: on 64-bit two's complement as `bigint`s in the signed range. */
import { canonical } from "./memory.ts";
import { type BinaryOperator, type Comparison, type Flavour, sizeOfScalar } from "./tree.ts";

/** What a place of type `flavour` holds after `value` was written to it; `null` for 64 bits. */
export function wrap(flavour: Flavour | null, value: bigint): bigint {
  if (flavour === null) return canonical(value);
  const bits = sizeOfScalar(flavour) * 8;
  return canonical(flavour.startsWith("i") ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
}

export function binary(operator: BinaryOperator, a: bigint, b: bigint, leftSigned: boolean, rightSigned: boolean): bigint {
  const signed = leftSigned || rightSigned;
  const [ua, ub] = [BigInt.asUintN(64, a), BigInt.asUintN(64, b)];
  const amount = ub % 64n;
  switch (operator) {
    case "+":
      return canonical(a + b);
    case "-":
      return canonical(a - b);
    case "*":
      return canonical(a * b);
    case "/":
      return b === 0n ? 0n : canonical(signed ? a / b : ua / ub);
    case "%":
      return b === 0n ? a : canonical(signed ? a % b : ua % ub);
    case "&":
      return canonical(a & b);
    case "|":
      return canonical(a | b);
    case "^":
      return canonical(a ^ b);
    case "<<":
      return canonical(a << amount);
    case ">>":
      return canonical(leftSigned ? a >> amount : ua >> amount);
    case ">>>":
      return canonical(ua >> amount);
  }
}

export function compare(operator: Comparison, left: bigint, right: bigint, signed: boolean): boolean {
  const [a, b] = signed ? [left, right] : [BigInt.asUintN(64, left), BigInt.asUintN(64, right)];
  switch (operator) {
    case "===":
      return a === b;
    case "!==":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
  }
}
