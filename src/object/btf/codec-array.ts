/** The arrays of the codec. Arrays of bytes are Uint8Array: addresses of all kinds are that. */
import { badValue, type Part, shown } from "./codec-part.ts";
import { copyBytes, freshName, plus, putBytes, sourceOf } from "./codec-source.ts";

export function byteArrayPart(element: Part, length: number): Part {
  const typeName = `${element.typeName}[${length}]`;
  return {
    ...{ size: length, typeName, leaves: 1 },
    read: (view, at) => copyBytes(view, at, length),
    source: (at, bind) => `${bind(copyBytes)}(view, ${at}, ${length})`,
    sink: (value, at, bind) =>
      `if (!(${value} instanceof Uint8Array) || ${value}.length !== ${length}) return false; ${bind(putBytes)}(view, ${at}, ${value});`,
    write(view, at, value, path) {
      if (!(value instanceof Uint8Array) && !Array.isArray(value)) {
        badValue(path, `It is ${shown(value)}, but its type is ${typeName}.`, "Give a Uint8Array or an array of numbers.");
      }
      checkLength(value.length, length, typeName, path);
      for (let i = 0; i < length; i++) {
        const byte: unknown = value[i];
        if (typeof byte !== "number" || !Number.isInteger(byte) || byte < 0 || byte > 255) {
          badValue(`${path}[${i}]`, `It is ${shown(byte)}, but a byte holds 0 to 255.`, "Give a value in that range.");
        }
        view.setUint8(at + i, byte);
      }
    },
  };
}

/** `size` is that of the whole array. */
export function arrayPart(element: Part, length: number, size: number): Part {
  const typeName = `${element.typeName}[${length}]`;
  return {
    ...{ size, typeName, leaves: Math.max(element.leaves, 1) * length },
    source(at, bind) {
      const elements = Array.from({ length }, (_, i) => sourceOf(element, plus(at, i * element.size), bind));
      return `[${elements.join(", ")}]`;
    },
    ...(element.sink !== undefined && {
      sink(value: string, at: string, bind: (value: unknown) => string) {
        const [index, each] = [freshName(bind), freshName(bind)];
        const body = element.sink?.(each, `${at} + ${index} * ${element.size}`, bind);
        const loop = `for (let ${index} = 0; ${index} < ${length}; ${index}++) { const ${each} = ${value}[${index}]; ${body} }`;
        return `if (!Array.isArray(${value}) || ${value}.length !== ${length}) return false; ${loop}`;
      },
    }),
    read(view, at) {
      const result: unknown[] = [];
      for (let i = 0; i < length; i++) result.push(element.read(view, at + i * element.size));
      return result;
    },
    write(view, at, value, path) {
      if (!Array.isArray(value)) badValue(path, `It is ${shown(value)}, but its type is ${typeName}.`, "Give an array.");
      checkLength(value.length, length, typeName, path);
      for (let i = 0; i < length; i++) element.write(view, at + i * element.size, value[i], `${path}[${i}]`);
    },
  };
}

function checkLength(given: number, length: number, typeName: string, path: string): void {
  if (given !== length) badValue(path, `It has ${given} elements, but its type is ${typeName}.`, `Give exactly ${length}.`);
}
