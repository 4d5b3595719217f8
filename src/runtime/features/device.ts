/** What a device and its driver can do for packet programs. */
import { type Channels, getChannels, getDriver, getOffloads, type Offloads } from "../../sys/ethtool.ts";
import { getLink, getXdpFeatures } from "../../sys/netlink/index.ts";

export interface DeviceFeatures {
  dev: string;
  ifindex: number;
  /** Null when it has none, as the loopback device. */
  driver: string | null;
  mtu: number;
  /** What the driver says that it can do (Linux 6.3); null when the kernel does not tell. Empty: no native XDP. */
  xdp: string[] | null;
  /** Null when the kernel does not tell. */
  zeroCopySegments: number | null;
  offloads: Offloads;
  /** Null when the driver does not tell. */
  channels: Channels | null;
  rxQueues: number;
  txQueues: number;
}

/** In the calling thread's network namespace. @throws WirescriptError NO_SUCH_DEVICE */
export function deviceFeatures(device: string): DeviceFeatures {
  const { name, ifindex, mtu, rxQueues, txQueues } = getLink(device);
  const xdp = getXdpFeatures(ifindex);
  return {
    ...{ dev: name, ifindex, driver: getDriver(name), mtu },
    ...{ xdp: xdp?.features ?? null, zeroCopySegments: xdp?.zeroCopySegments ?? null },
    ...{ offloads: getOffloads(name), channels: getChannels(name), rxQueues, txQueues },
  };
}
