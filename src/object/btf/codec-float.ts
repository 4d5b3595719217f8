/**
 * Floating-point numbers: programs cannot calculate with them, but user space may keep some where programs carry them along.
 */
import { badValue, type Part, shown } from "./codec-part.ts";

export function floatPart(typeName: string, size: 4 | 8): Part {
  const set = (view: DataView, at: number, value: number) =>
    size === 4 ? view.setFloat32(at, value, true) : view.setFloat64(at, value, true);
  return {
    ...{ size, typeName, leaves: 1 },
    read: size === 4 ? (view, at) => view.getFloat32(at, true) : (view, at) => view.getFloat64(at, true),
    write(view, at, value, path) {
      if (typeof value !== "number") badValue(path, `It is ${shown(value)}, but its type is ${typeName}.`, "Give a number.");
      set(view, at, value);
    },
  };
}
