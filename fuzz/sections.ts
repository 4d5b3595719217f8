/** The variables of a module where they lie: in the sections `.data` and `.bss`, of which the kernel makes maps of one element. */
import type { LoadedObject, ObjectSpec } from "../src/index.ts";
import { mapLookup, mapUpdate } from "../src/sys/bpf.ts";
import type { Vm } from "../src/vm/index.ts";
import { hex } from "./memory.ts";

const KEY = new Uint8Array(4);

/** Each variable by its name, from the sections as `read` finds them; one that no code uses has no place. */
export function variables(spec: ObjectSpec, read: (section: string) => Uint8Array): Map<string, string> {
  return new Map(
    sectionsOf(spec).flatMap(({ name: section, variables }) => {
      const bytes = read(section);
      return variables.map(({ name, offset, size }): [string, string] => [name, hex(bytes.subarray(offset, offset + size))]);
    }),
  );
}

export function resetSections(spec: ObjectSpec, object: LoadedObject): void {
  for (const { name, bytes } of sectionsOf(spec)) mapUpdate(object.map(name).fd, KEY, bytes, 0);
}

export function sectionInKernel(spec: ObjectSpec, object: LoadedObject, section: string): Uint8Array {
  const size = sectionsOf(spec).find(({ name }) => name === section)?.bytes.length ?? 0;
  const bytes = new Uint8Array(size);
  const result = mapLookup(object.map(section).fd, KEY, bytes);
  if (result < 0) throw new Error(`${section} cannot be read: errno ${-result}`);
  return bytes;
}

export function sectionInVm(vm: Vm, section: string): Uint8Array {
  return vm.dataSection(section).bytes;
}

function sectionsOf({ data }: ObjectSpec) {
  return data.filter(({ readonly }) => !readonly);
}
