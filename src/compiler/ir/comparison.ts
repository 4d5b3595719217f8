/** How comparison operators relate to each other. */
import type { CompareOp } from "./ir.ts";

const INVERSE: Record<CompareOp, CompareOp> = {
  eq: "ne",
  ne: "eq",
  ugt: "ule",
  ule: "ugt",
  uge: "ult",
  ult: "uge",
  sgt: "sle",
  sle: "sgt",
  sge: "slt",
  slt: "sge",
};

const MIRRORED: Record<CompareOp, CompareOp> = {
  eq: "eq",
  ne: "ne",
  ugt: "ult",
  ult: "ugt",
  uge: "ule",
  ule: "uge",
  sgt: "slt",
  slt: "sgt",
  sge: "sle",
  sle: "sge",
};

/** True exactly when `op` is false. */
export function inverse(op: CompareOp): CompareOp {
  return INVERSE[op];
}

/** The same with the operands exchanged. */
export function mirrored(op: CompareOp): CompareOp {
  return MIRRORED[op];
}
