/** What labs say, in the words of the tutorial's test environment, which its readers and scripts know. */
export const MESSAGES = {
  settingUp: (name: string) => `Setting up new environment '${name}'`,
  alreadyExists: (name: string) => `Environment for '${name}' already exists`,
  settling: "Waiting for interface configuration to settle...",
  isSetUp: (name: string, insideIp6: string, insideIp4: string | null) =>
    `Setup environment '${name}' with peer ip ${insideIp6}${insideIp4 === null ? "" : ` and ${insideIp4}`}.`,
  networkIsSetUp: (name: string, middle: string, hosts: number) =>
    `Setup environment '${name}' with a ${middle} and ${hosts} hosts.`,
  setupFailed: (name: string) => `Error during setup, removing partially-configured environment '${name}'`,
  mountedBpffs: (path: string) => `Mounted the BPF file system at ${path}`,
  removingInterrupted: (name: string) => `Removing what an interrupted setup left of environment '${name}'`,
  tearingDown: (name: string) => `Tearing down environment '${name}'`,
  teardownFailed: "Warning: Errors during teardown, partial environment may be left",
  noneSelected: "No environment selected; use --name to select one or 'setup' to create one",
  doesNotExist: (name: string) => `Environment for ${name} doesn't seem to exist`,
  needsRoot: "This script needs root permissions to run.",
  pingHeader: "Running ping from inside test environment:",
  legacyAndVlan: "Can't use --legacy-ip and --vlan at the same time.",
  noLegacyIp: "No legacy IP addresses configured in environment.",
  noVlans: "No VLANs configured in environment.",
  aliasHint: (program: string) => `Eval this with \`eval $(${program} alias)\` to create shell alias`,
  aliasSudo: "WARNING: Creating sudo alias; be careful, this script WILL execute arbitrary programs",
} as const;
