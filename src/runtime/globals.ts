/**
 * The variables of a loaded module, as properties: `object.globals.total`. Those that programs write lie in memory that is mapped into this
 * process, so that reading and writing one is no system call and leaves its neighbours alone; settings are read as they were loaded.
 */
import { WirescriptError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { codec } from "../object/btf/codec.ts";
import type { Btf } from "../object/btf/types.ts";
import type { DataSpec } from "../object/spec.ts";
import type { MapFd } from "../sys/bpf.ts";
import { mapMemory, unmapMemory } from "../sys/ffi.ts";
import { namesOnly } from "./by-name.ts";

/** Linux's asm-generic/mman-common.h. */
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

export interface GlobalSection {
  section: DataSpec;
  fd: MapFd;
}

/**
 * `values` has a property for each variable of `sections` whose type is known, and throws for any other name. After `close` they can be neither
 * read nor written.
 *
 * @throws SyscallError when the memory cannot be mapped.
 */
export function openGlobals(sections: readonly GlobalSection[], btf: Btf | null): { values: object; close(): void } {
  const values: object = Object.create(namesOnly((name) => noSuchVariable(name, Object.keys(values)), true));
  const close: (() => void)[] = [];
  for (const { section, fd } of sections) {
    const variables = section.variables.filter(({ typeId }) => typeId !== 0);
    if (btf === null || variables.length === 0) continue;
    const mapped = section.readonly ? null : mapIn(fd, section.bytes.length);
    let bytes: Uint8Array | null = mapped?.memory ?? section.bytes;
    close.push(() => {
      bytes = null;
      mapped?.unmap();
    });
    for (const { name, offset, size, typeId } of variables) {
      const variable = codec(btf, typeId, name);
      Object.defineProperty(values, name, {
        enumerable: true,
        get: () => variable.decode(open(name, bytes), offset),
        set(value: unknown) {
          if (section.readonly) throw isSetting(name);
          // Put together elsewhere, so that programs see the old value or the new one.
          const encoded = new Uint8Array(size);
          variable.encode(value, encoded);
          open(name, bytes).set(encoded, offset);
        },
      });
    }
  }
  return {
    values: Object.freeze(values),
    close() {
      for (const each of close.splice(0)) each();
    },
  };
}

function mapIn(fd: MapFd, length: number): { memory: Uint8Array; unmap(): void } {
  const { address, memory } = mapMemory(fd.number, length, PROT_READ | PROT_WRITE, MAP_SHARED);
  return { memory, unmap: () => unmapMemory(address, length) };
}

/** Memory that is not mapped any more must not be touched: the process would die of it. */
function open(name: string, bytes: Uint8Array | null): Uint8Array {
  if (bytes !== null) return bytes;
  throw new WirescriptError({
    code: "USAGE",
    what: `The variable "${name}" belongs to an object that was closed.`,
    why: "Its memory went with the object.",
    fix: "Read what you need before the object is disposed of.",
  });
}

function noSuchVariable(name: string, names: readonly string[]): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `The object has no variable "${name}".`,
    why: names.length === 0 ? "It has no variables." : `It has ${names.join(", ")}.`,
    fix: `${didYouMean(name, names)}A module has those that its programs use, or that it exports.`,
  });
}

function isSetting(name: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `The setting "${name}" cannot be changed any more.`,
    why: "The program was verified with the value that it had when it was loaded.",
    fix: `Give it when loading: load(file, { settings: { ${name}: … } }); or make it a variable of the module, with \`let\`.`,
  });
}
