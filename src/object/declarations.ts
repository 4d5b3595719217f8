/**
 * What is in an object, as a TypeScript declaration file: `load<typeof Filter>("filter.o")` then knows its programs, maps and
 * variables. The types that it names are those of `runtime/object-types.ts`.
 */
import { TypeScriptTypes } from "./btf/typescript.ts";
import { MAP_TYPE, type MapSpec, type MapTypeName, type ObjectSpec, type ProgramType } from "./spec.ts";

/** How the declarations of maps in kernel modules call the types. */
const KINDS: Partial<Record<MapTypeName, string>> = {
  HASH: "hash",
  LRU_HASH: "lruHash",
  PERCPU_HASH: "perCpuHash",
  LRU_PERCPU_HASH: "lruPerCpuHash",
  ARRAY: "array",
  PERCPU_ARRAY: "perCpuArray",
  LPM_TRIE: "lpmTrie",
  PROG_ARRAY: "progArray",
  PERF_EVENT_ARRAY: "perfEventArray",
  DEVMAP: "devMap",
  DEVMAP_HASH: "devMapHash",
  CPUMAP: "cpuMap",
  XSKMAP: "xskMap",
  QUEUE: "queue",
  STACK: "stack",
  BLOOM_FILTER: "bloomFilter",
  RINGBUF: "ringBuffer",
  ARRAY_OF_MAPS: "arrayOfMaps",
  HASH_OF_MAPS: "hashOfMaps",
};

const KIND_BY_NUMBER = new Map(Object.entries(KINDS).map(([name, kind]) => [MAP_TYPE[name as MapTypeName] as number, kind]));
/** Types whose keys are indexes even where nothing describes them. */
const INDEXED = new Set(["array", "perCpuArray", "arrayOfMaps"]);

const HOOKS: Record<ProgramType, string> = { xdp: `<"xdp">`, sched_cls: "", sched_act: "" };

/** The text of a declaration file. `file` is how it calls the object. */
export function declarationsOf(spec: ObjectSpec, file: string): string {
  const types = spec.btf === null ? null : new TypeScriptTypes(spec.btf);
  const names = new Set<string>();
  const section = (title: string, entries: readonly Entry[]) => {
    const lines = entries.flatMap((entry, index) => {
      // Linkers keep the names of static variables of several files.
      if (names.has(entry.name)) return [];
      names.add(entry.name);
      return [declaration(entry, `${title.toLowerCase()}_${index}`)];
    });
    return lines.length === 0 ? [] : [`// ${title}\n${lines.join("")}`];
  };
  const programs = section(
    "Programs",
    spec.programs.map(({ name, type }) => ({ name, type: `ObjectProgram${HOOKS[type]}` })),
  );
  const maps = section(
    "Maps",
    spec.maps.map((map) => ({ name: map.name, type: mapType(types, map) })),
  );
  const variables = section(
    "Variables",
    spec.data.flatMap((data) =>
      data.variables
        .filter(({ typeId }) => typeId !== 0)
        .map(({ name, typeId }): Entry => {
          const type = `ObjectVariable<${types?.of(typeId) ?? "unknown"}>`;
          return { name, type, writable: !data.readonly };
        }),
    ),
  );
  const body = [...(types?.declarations ?? []), ...programs, ...maps, ...variables].join("\n");
  const used = ["ObjectMap", "ObjectMapOfMaps", "ObjectProgram", "ObjectRecords", "ObjectValues", "ObjectVariable"].filter(
    (name) => new RegExp(`\\b${name}\\b`).test(body),
  );
  const imports = used.length === 0 ? "export {};\n" : `import type { ${used.join(", ")} } from "wirescript";\n`;
  return `// What is in ${file.replaceAll(/[\r\n]/g, "?")}, for load<typeof Module>(). Made by: wirescript types\n${imports}\n${body}`;
}

function mapType(types: TypeScriptTypes | null, map: MapSpec): string {
  const kind = KIND_BY_NUMBER.get(map.type);
  if (kind === undefined) return `ObjectMap<"opaque", Uint8Array, Uint8Array>`;
  const typeOf = (id: number) => (types === null || id === 0 ? "Uint8Array" : types.of(id));
  const key = map.keyTypeId === 0 && INDEXED.has(kind) ? "number" : typeOf(map.keyTypeId);
  switch (kind) {
    case "ringBuffer":
      return map.valueTypeId === 0 ? `ObjectRecords<"${kind}">` : `ObjectValues<"${kind}", ${typeOf(map.valueTypeId)}>`;
    case "perfEventArray":
      return `ObjectRecords<"${kind}">`;
    case "queue":
    case "stack":
    case "bloomFilter":
      return `ObjectValues<"${kind}", ${typeOf(map.valueTypeId)}>`;
    case "arrayOfMaps":
    case "hashOfMaps":
      return `ObjectMapOfMaps<"${kind}", ${key}, ${map.inner === undefined ? "unknown" : mapType(types, map.inner)}>`;
    case "devMap":
    case "devMapHash":
    case "cpuMap":
      // A number, or that and a program: struct bpf_devmap_val, struct bpf_cpumap_val.
      return `ObjectMap<"${kind}", number, number> & { readonly programs: ${map.valueSize >= 8} }`;
    default:
      return `ObjectMap<"${kind}", ${key}, ${typeOf(map.valueTypeId)}>`;
  }
}

interface Entry {
  name: string;
  type: string;
  writable?: boolean;
}

/** Symbols of C may be words of TypeScript, and clang calls static variables of functions "function.variable". */
function declaration({ name, type, writable = false }: Entry, substitute: string): string {
  const keyword = writable ? "let" : "const";
  if (/^[A-Za-z_$][\w$]*$/.test(name) && !RESERVED.has(name)) return `export declare ${keyword} ${name}: ${type};\n`;
  return `declare ${keyword} ${substitute}: ${type};\nexport { ${substitute} as ${JSON.stringify(name)} };\n`;
}

const RESERVED = new Set(
  (
    "break case catch class const continue debugger default delete do else enum export extends false finally for function if import in " +
    "instanceof new null return super switch this throw true try typeof var void while with implements interface let package private " +
    "protected public static yield await"
  ).split(" "),
);
