/** `--set NAME=VALUE`: settings of a program as a command line writes them. */
import { WirescriptError } from "../errors.ts";

/** Commander's collector: adds one `NAME=VALUE` to those before. @throws WirescriptError USAGE */
export function collectSetting(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw notASetting(text);
  return { ...before, [name]: parse(value, text) };
}

function parse(value: string, text: string): unknown {
  if (value === "true" || value === "false") return value === "true";
  if (/^([0-9a-f]{2}:)+[0-9a-f]{2}$/i.test(value)) {
    return Uint8Array.from(value.split(":"), (byte) => Number.parseInt(byte, 16));
  }
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(value)) {
    const parts = value.split(".").map(Number);
    if (parts.every((part) => part <= 255)) return parts.reduce((address, part) => address * 256 + part, 0);
  }
  if (/^-?(0x[0-9a-f]+|\d+)$/i.test(value)) {
    const number = value.startsWith("-") ? -BigInt(value.slice(1)) : BigInt(value);
    return Number.isSafeInteger(Number(number)) ? Number(number) : number;
  }
  throw notASetting(text);
}

function notASetting(text: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${text}" does not set a setting.`,
    why: "A setting is written NAME=VALUE; a value is a number, true or false, bytes such as 02:00:00:00:00:01, or an IPv4 address.",
    fix: "For example: --set port=53 --set gateway=02:00:00:00:00:01",
  });
}
