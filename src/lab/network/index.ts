export { allPairs, type HostPair, type PairResult, pingPairs } from "./ping.ts";
export { type HostPlan, MAX_HOSTS, type Middle, type NetworkPlan, namespacesOf, SWITCH_DEVICE } from "./plan.ts";
export {
  isNetwork,
  type Lookup,
  type Network,
  type NetworkOptions,
  type NetworkTeardownResult,
  openNetwork,
  resetNetwork,
  setupNetwork,
  teardownNetwork,
} from "./setup.ts";
export { formatNetworkStatus, type NetworkStatus, networkStatus } from "./status.ts";
