/** How a command that did not fail says with which exit status it ends; without a word it is 0. */
export type Finish = (status: number) => void;
