/**
 * What systemd, or whoever speaks its protocol, is told of a service (sd_notify(3)): a datagram of lines to the UNIX socket that NOTIFY_SOCKET names.
 * Node.js has no such sockets.
 */
import { SyscallError } from "./errno.ts";
import { syscall } from "./ffi.ts";
import { SOCKET } from "./sockets.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
/** `sun_path` in struct sockaddr_un. */
const LONGEST_PATH = 108;

/**
 * Sends `state`, such as "READY=1", to the service manager.
 *
 * @returns false when there is none that wants to know, or none that listens any more.
 */
export function notifyServiceManager(state: string, path = process.env.NOTIFY_SOCKET): boolean {
  if (path === undefined || !/^[/@]./.test(path)) return false;
  // A name in the abstract namespace begins with a zero byte, and @ stands for it.
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > LONGEST_PATH) return false;
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  const bytes = Buffer.from(state);
  const socket = syscall("socket", AF_UNIX, SOCK_DGRAM | SOCKET.SOCK_CLOEXEC, 0);
  try {
    syscall("sendto", socket, bytes, bytes.length, 0, address, address.length);
    return true;
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  } finally {
    syscall("close", socket);
  }
}
