/**
 * Names without their flavour: `struct task_struct___v2` is one author's idea of what a kernel's `struct task_struct` may look
 * like.
 */
export function essentialName(name: string): string {
  const at = name.indexOf("___", 1);
  return at < 0 || at + 3 === name.length ? name : name.slice(0, at);
}
