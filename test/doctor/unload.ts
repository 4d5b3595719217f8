/** Takes off what a finding's command has attached, with its pins. */
import { apply } from "./ward.ts";

export async function unload(netns: string, device: string): Promise<void> {
  const command = `wirescript unload --netns ${netns} ${device}`;
  await apply({ id: "", place: { netns, dev: device }, what: "", evidence: "", why: "", fix: { command, safe: true } });
}
