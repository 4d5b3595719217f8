/** Taking away what a killed setup left. Its note is in the state directory, and whoever wrote it no longer holds the lock: it is dead. */
import { removeDevices } from "./devices.ts";
import { MESSAGES } from "./messages.ts";
import { removeNetwork } from "./network/devices.ts";
import { networkPlan } from "./network/plan.ts";
import { endSetup, findNetworkState, listUnfinished, removeNetworkState, removeState } from "./state.ts";

/** Does nothing when there is no note of a setup of `name`. To be called with the lock held. */
export function removeUnfinished(directory: string, name: string, say: (line: string) => void): void {
  if (!listUnfinished(directory).includes(name)) return;
  say(MESSAGES.removingInterrupted(name));
  const network = findNetworkState(directory, name);
  if (network === null) removeDevices(name);
  else removeNetwork(networkPlan(name, network.middle, network.hosts));
  removeNetworkState(directory, name);
  removeState(directory, name);
  endSetup(directory, name);
}
