/** Reads the text of a module from disk, or says why it is none. */
import { readFileSync, statSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";

/** Bytes. Far more than anyone writes. */
const LARGEST_MODULE = 16 * 1024 * 1024;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of `fileName`, without a byte order mark; `path` is what the user calls it.
 *
 * @throws WirescriptError BAD_FILE.
 */
export function readModule(fileName: string, path: string): string {
  // Imports may be declarations, or what only TypeScript's message or ours then says something about.
  if (!/\.([cm]?ts|tsx|json)$/.test(fileName)) throw notAModule(path, "Its name does not end in .ts.");
  const bytes = readBytes(fileName, path);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw notAModule(path, "It is encoded in UTF-16.", "Save it as UTF-8.");
  }
  if (bytes.includes(0)) throw notAModule(path, "It holds binary data.");
  try {
    return UTF8.decode(bytes);
  } catch {
    throw notAModule(path, "It is not encoded in UTF-8.", "Save it as UTF-8.");
  }
}

function readBytes(fileName: string, path: string): Uint8Array {
  try {
    const file = statSync(fileName);
    // A device or a pipe may never end.
    if (!file.isFile()) throw notAModule(path, file.isDirectory() ? "It is a directory." : "It is not a regular file.");
    if (file.size > LARGEST_MODULE) throw notAModule(path, `It has ${file.size} bytes.`);
    return readFileSync(fileName);
  } catch (cause) {
    if (cause instanceof WirescriptError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: "There is no such file.",
      ENOTDIR: "There is no such file.",
      EACCES: "This user may not read it.",
    };
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${path} cannot be read.`,
      why: reasons[code ?? ""] ?? message,
      fix: "Check the path and the permissions.",
      cause,
    });
  }
}

function notAModule(path: string, why: string, fix = "Give a *.bpf.ts source file, or an eBPF object (*.o)."): WirescriptError {
  return new WirescriptError({ code: "BAD_FILE", what: `${path} is not a TypeScript module.`, why, fix });
}
