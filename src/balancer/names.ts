/** What a backend is called where it was given no name: in URLs, metrics, logs and tables. */
import type { Backend } from "./state.ts";

/** Its name, or else "10.0.0.2", "10.0.0.2:8080", "[fd00::2]:8080". */
export function backendName({ name, address, port }: Pick<Backend, "name" | "address" | "port">): string {
  if (name !== undefined) return name;
  if (port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
