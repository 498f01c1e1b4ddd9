/** Something that stops the start: which key, what is wrong, what to do. Never holds a secret's value. */
export interface Problem {
  key: string;
  message: string;
  mend: string;
}

/** Something an operator should know and that stops nothing. */
export interface Notice {
  key: string;
  kind: "unknown" | "not_acted_on" | "not_needed" | "repeated" | "advice";
  message: string;
}
