/** Numbers of ELF64 that eBPF objects use. Source: System V ABI chapter 4, linux/elf.h, Documentation/bpf/standardization and llvm_reloc.rst. */
export const ELF_HEADER_SIZE = 64;
export const SECTION_HEADER_SIZE = 64;
export const SYMBOL_SIZE = 24;
export const RELOCATION_SIZE = 16;

export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_REL = 1;
export const EM_NONE = 0;
export const EM_BPF = 247;

export const SHT = { NULL: 0, PROGBITS: 1, SYMTAB: 2, STRTAB: 3, RELA: 4, NOBITS: 8, REL: 9 } as const;
export const SHF = { WRITE: 1, ALLOC: 2, EXECINSTR: 4 } as const;
export const SHN = { UNDEF: 0, LORESERVE: 0xff00, COMMON: 0xfff2 } as const;
export const STT = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3, FILE: 4 } as const;
export const STV = { DEFAULT: 0, INTERNAL: 1, HIDDEN: 2 } as const;
export const STB = { LOCAL: 0, GLOBAL: 1, WEAK: 2 } as const;

/** On wide loads: the address of a map, of data, or of a function. */
export const R_BPF_64_64 = 1;
/** In data: the address of a map. */
export const R_BPF_64_ABS64 = 2;
/** On calls: the distance to a function, in slots. */
export const R_BPF_64_32 = 10;

/** Where subprograms live: libbpf takes them from nowhere else. */
export const TEXT_SECTION = ".text";
export const MAPS_SECTION = ".maps";
/** Where iproute2 and libbpf before 1.0 looked for maps: structs of numbers. */
export const LEGACY_MAPS_SECTION = "maps";
export const KCONFIG_SECTION = ".kconfig";
export const KSYMS_SECTION = ".ksyms";
export const LICENSE_SECTION = "license";

/** Sections of global data by name: each becomes a map. */
export function dataSectionKind(name: string): "rodata" | "data" | "bss" | undefined {
  const match = /^\.(rodata|data|bss)(?:\.|$)/.exec(name);
  return match?.[1] as "rodata" | "data" | "bss" | undefined;
}
