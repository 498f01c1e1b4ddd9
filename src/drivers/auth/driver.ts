/** Where people's passwords are checked (`AUTHENTICATION_TYPE`). Robots and tokens never come here. */
export interface AuthDriver {
  /** Whether the name and the password belong together, and to which account. Takes as long for an unknown name. */
  verify(login: string, password: string): Promise<AuthResult>;
}

/** An account of this registry that a person has proved to own. */
export interface AuthenticatedPerson {
  readonly id: number;
  readonly uuid: string;
  readonly username: string;
  readonly enabled: boolean;
  readonly verified: boolean;
  /** Epoch milliseconds. */
  readonly lastAccessedMs: number | null;
}

export type AuthResult =
  | { readonly outcome: "ok"; readonly person: AuthenticatedPerson }
  | { readonly outcome: "wrong" }
  /** Refused unseen: too many failures lately. */
  | { readonly outcome: "locked"; readonly retryAfterMs: number };
