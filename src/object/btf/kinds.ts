/** Numbers of the BTF format. Source: linux/btf.h and Documentation/bpf/btf.rst of Linux 6.18. */
export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
export const BTF_HEADER_SIZE = 24;

export const KIND = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  enum64: 19,
} as const;

/** By number: the linkage of functions and variables. */
export const LINKAGE = ["static", "global", "extern"] as const;
/** By number: the encoding of integers. */
export const INT_ENCODING = { 0: "unsigned", 1: "signed", 2: "char", 4: "bool" } as const;
