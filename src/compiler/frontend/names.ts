/** Names that go into the object: symbols of the ELF file, and names of types, which the kernel checks (btf_name_valid_identifier). */

/** The longest name of a type that all kernels take: KSYM_NAME_LEN was 128 once, with the 0 byte behind it. */
const LONGEST_NAME = 127;

/** Why `name` cannot stand in the object; `null` when it can. */
export function unusableName(name: string): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return "it has other characters than letters, digits and `_`";
  return name.length > LONGEST_NAME ? `it is longer than ${LONGEST_NAME} characters` : null;
}

/** `name` for where it only helps to read: everything that the kernel does not take is left out. */
export function usableName(name: string): string {
  return name
    .replace(/[^A-Za-z0-9_]/g, "_")
    .replace(/^\d/, "_$&")
    .slice(0, LONGEST_NAME);
}
