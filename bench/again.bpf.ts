/**
 * Runs a program on the same packet again and again, also one that leaves the packet longer than it was: a repeated test run does not restore it, so
 * this does, and hands over. What it takes itself is in every figure, so a program that only returns is run by it too.
 */
import { array, perCpuArray, progArray, setting, struct, u16, u32, XDP_ABORTED, xdp } from "wirescript/kernel";
import { Ethernet, IPv4, Tcp } from "wirescript/net";

const Frame = struct({ eth: Ethernet, ip: IPv4, tcp: Tcp });
/** What the packet begins with. */
export const frame = array({ value: Frame, entries: 1 });
export const measured = progArray({ entries: 1 });
export const rounds = perCpuArray({ value: u32, entries: 1 });

/** The packet's length. */
const bytes = setting(u16, 0);
/** How many clients take turns; with more than a table of connections has room for, each of them is new. */
const clients = setting(u32, 1);

export const again = xdp((ctx) => {
  if (ctx.length > bytes && !ctx.adjustHead(IPv4.size)) return XDP_ABORTED;
  const packet = ctx.at(Frame);
  const model = frame.lookup(0);
  const round = rounds.lookup(0);
  if (!packet || !model || !round) return XDP_ABORTED;
  packet.eth = model.eth;
  packet.ip = model.ip;
  round.value = round.value + 1 === clients ? 0 : round.value + 1;
  packet.ip.src = model.ip.src + round.value;
  measured.tailCall(ctx, 0);
  return XDP_ABORTED;
});
