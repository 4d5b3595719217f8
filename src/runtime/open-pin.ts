/** Opening what is pinned, as what it is expected to be. */

import { lstatSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { type Fd, objectGet } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { BPFFS_PATH, onBpffs } from "../sys/mount.ts";
import { checkPath, describeValue } from "./arguments.ts";
import { denied } from "./privileges.ts";

type Kind = "map" | "program" | "link";

/** The library's function that opens each of them. */
const OPENED_BY = { map: "openPinnedMap", program: "openPinnedProgram", link: "openPinnedLink" } as const;

/** The command that shows them. */
const LISTED_BY = { map: "maps", program: "progs", link: "links" } as const;

const CODE = { map: "MAP", program: "NO_SUCH_PROGRAM", link: "NOTHING_ATTACHED" } as const;

/**
 * @throws WirescriptError when there is no such thing at that path, MAP for a map, NO_SUCH_PROGRAM for a program, NOTHING_ATTACHED for a link; USAGE for
 * what is no path; NO_PRIVILEGES.
 */
export function openPin<K extends Kind>(path: string, kind: K): Fd<K> {
  checkPath(path, `There is no pinned ${kind} at ${describeValue(path)}.`);
  const missing = (why: string, fix = `List the pins: listPins(), ls -R ${BPFFS_PATH}`, cause?: unknown) =>
    new WirescriptError({ code: CODE[kind], what: `There is no pinned ${kind} at ${path}.`, why, fix, cause });
  let fd: ReturnType<typeof objectGet>;
  try {
    fd = objectGet(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw missing("The file does not exist.", undefined, error);
    if (!onBpffs(path)) throw missing("The file is not in a BPF file system.", undefined, error);
    if (lstatSync(path).isDirectory()) throw missing("It is a directory.", undefined, error);
    if (isErrno(error, "EINVAL")) throw missing("It is no BPF object.", undefined, error);
    if (isErrno(error, "EPERM", "EACCES")) throw denied(`${path} cannot be opened.`, error);
    throw error;
  }
  if (isA(fd, kind)) return fd;
  const found = fd.kind;
  fd.close();
  throw missing(
    `What is pinned there is a ${found}.`,
    `Open it as what it is: ${OPENED_BY[found]}("${path}"), wirescript ${LISTED_BY[found]}`,
  );
}

function isA<K extends Kind>(fd: Fd, kind: K): fd is Fd<K> {
  return fd.kind === kind;
}
