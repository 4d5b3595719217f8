/** The far end of the balancer's wire: sends small datagrams of many clients as fast as it can, and counts what comes back. */
import { array, be16, perCpuArray, setting, struct, u32, u64, XDP_DROP, XDP_TX, xdp } from "wirescript/kernel";
import { Ethernet, IPv4, replaceInUdpChecksum, Udp } from "wirescript/net";

const Frame = struct({ eth: Ethernet, ip: IPv4, udp: Udp });
/** What all datagrams look like, but for their source port. */
export const frame = array({ value: Frame, entries: 1 });
/** How many source ports take turns, from `first_port` on: as many connections. */
const connections = setting(u32, 1);
const first_port = setting(be16, 1024);
export const sent = perCpuArray({ value: u64, entries: 1 });
export const returned = perCpuArray({ value: u64, entries: 1 });

/** For a live test run. Packets come back into use as the other end has left them, so all of the headers is written anew. */
export const send = xdp((ctx) => {
  const packet = ctx.at(Frame);
  const model = frame.lookup(0);
  const count = sent.lookup(0);
  if (!packet || !model || !count) return XDP_DROP;
  packet.eth = model.eth;
  packet.ip = model.ip;
  packet.udp = model.udp;
  const port = first_port + (count.value % connections);
  packet.udp.checksum = replaceInUdpChecksum(model.udp.checksum, model.udp.sourcePort, port);
  packet.udp.sourcePort = port;
  count.value++;
  return XDP_TX;
});

export const receive = xdp(() => {
  const count = returned.lookup(0);
  if (count) count.value++;
  return XDP_DROP;
});
