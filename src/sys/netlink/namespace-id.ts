/** The number by which one network namespace knows another; links name the namespace of their peer by it. */
import { AF_UNSPEC } from "../ip-address.ts";
import { NAMESPACE_ID, NETLINK, SIZE } from "./constants.ts";
import { concatenate, decodeAttributes, readI32, u32Attribute } from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

/** The id that the calling thread's namespace has for the one open as `namespaceFd`; null when it has none (it is given on first use). */
export function getNamespaceId(namespaceFd: number): number | null {
  // struct rtgenmsg, padded
  const header = new Uint8Array((SIZE.rtgenmsg + 3) & ~3);
  header[0] = AF_UNSPEC;
  const payload = concatenate([header, u32Attribute(NAMESPACE_ID.NETNSA_FD, namespaceFd)]);
  const [message] = requestRtnetlink({ type: NETLINK.RTM_GETNSID, payload, about: `get id of namespace ${namespaceFd}` });
  const id = message && decodeAttributes(message.payload, header.length).get(NAMESPACE_ID.NETNSA_NSID);
  return id === undefined || readI32(id) < 0 ? null : readI32(id);
}
