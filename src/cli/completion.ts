import type { Command } from "./cli.ts";
import { EXIT } from "./io.ts";
import { MIRROR_FLAGS } from "./mirror_flags.ts";
import { ORG_MIRROR_FLAGS } from "./org_mirror_flags.ts";
import { usageError } from "./output.ts";

/** Commands, and what may follow each. Kept equal to the commands themselves by a test. */
export const COMPLETIONS: Readonly<Record<string, readonly string[]>> = {
  serve: ["--data", "--config", "--http", "--https", "--metrics", "--log", "--log-level"],
  repomirror: ["--data", "--config", "--metrics", "--log", "--log-level"],
  init: ["--config", "--data", "--hostname", "--san", "--with-ca", "--force", "--json"],
  check: ["--data", "--config", "--json"],
  user: ["create", "list", "show", "disable", "enable", "email", "delete", "password"],
  org: ["create", "list", "show", "rename", "delete"],
  team: ["create", "list", "members", "add", "remove", "role", "delete"],
  robot: ["create", "list", "show", "regenerate", "permission", "delete"],
  repo: ["create", "list", "show", "delete", "visibility", "description", "state", "permission"],
  mirror: [
    "list",
    "show",
    "create",
    "update",
    "enable",
    "disable",
    "sync",
    "cancel",
    "progress",
    "preview",
    "verify",
  ],
  "org-mirror": [
    "show",
    "repositories",
    "create",
    "update",
    "enable",
    "disable",
    "sync",
    "cancel",
    "verify",
    "delete",
  ],
  tag: ["list", "history", "move", "delete", "restore", "expire"],
  token: ["create", "list", "revoke"],
  logs: ["list", "export"],
  scrub: ["--data", "--config", "--json", "--missing", "--location", "--older-than", "--rate"],
  storage: ["migrate"],
  "backfill-replication": ["--data", "--config", "--json"],
  "remove-location": ["--data", "--config", "--json", "--dry-run"],
  version: ["--json"],
  completion: ["bash"],
  help: [],
};

const OPERATOR_FLAGS = ["--data", "--config", "--json"];
const OPERATOR_COMMANDS = [
  "user",
  "org",
  "team",
  "robot",
  "repo",
  "mirror",
  "org-mirror",
  "tag",
  "token",
  "logs",
  "storage",
];

const mirrorFlags = Object.keys(MIRROR_FLAGS).map((flag) => `--${flag}`);
const orgMirrorFlags = Object.keys(ORG_MIRROR_FLAGS).map((flag) => `--${flag}`);

/** Flags of a subcommand's own, and words that it takes after its first operand. */
const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = {
  "user create": ["--email", "--password-stdin", "--ask"],
  "user password": ["--password-stdin", "--ask"],
  "org create": ["--email", "--owner"],
  "team create": ["--role", "--description"],
  "team role": ["member", "creator", "admin"],
  "robot create": ["--description"],
  "robot permission": ["read", "write", "admin", "none"],
  "storage migrate": ["--jobs"],
  "mirror create": mirrorFlags,
  "mirror update": mirrorFlags,
  "org-mirror create": orgMirrorFlags,
  "org-mirror update": orgMirrorFlags,
  "mirror sync": ["--follow"],
  "mirror progress": ["--follow"],
  "mirror verify": ["--read"],
  "repo create": ["--public", "--description"],
  "logs list": ["--repo", "--org", "--user", "--kind", "--since", "--until", "--limit"],
  "logs export": ["--repo", "--org", "--user", "--kind", "--since", "--until"],
  "repo visibility": ["public", "private"],
  "repo state": ["NORMAL", "READ_ONLY", "MIRROR"],
  "repo permission": ["--user", "--team", "--role"],
  "tag list": ["--filter"],
  "tag history": ["--tag"],
  "tag delete": ["--permanently"],
  "tag expire": ["--at", "--in", "--never"],
  "token create": ["--scope", "--lifetime", "--name", "--app"],
};

/** What may follow a flag. Nothing is offered after one that takes free text. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "--log": ["json", "text"],
  "--log-level": ["debug", "info", "warn", "error"],
  "--role": ["read", "write", "admin", "none", "member", "creator"],
  "--scope": [
    "repo:read",
    "repo:write",
    "repo:admin",
    "repo:create",
    "user:read",
    "user:admin",
    "org:admin",
    "super:user",
  ],
  "--http|--https|--metrics|--hostname|--san|--email|--owner|--description|--user|--team|--jobs": [],
  "--repo|--org|--kind|--since|--until|--limit": [],
  "--filter|--tag|--at|--in|--lifetime|--name|--app|--location|--older-than|--rate": [],
  "--from|--tags|--robot|--every|--start|--username|--platforms|--exclude|--newest|--semver": [],
  "--concurrency|--windows|--per-day|--per-month|--filters": [],
  "--product": ["quay", "harbor"],
  "--visibility": ["public", "private"],
};

export const completionCommand: Command = {
  name: "completion",
  summary: "print what makes a shell complete quaylet's commands",
  help: `usage: quaylet completion bash

  source <(quaylet completion bash)                                        # this shell
  quaylet completion bash > /usr/share/bash-completion/completions/quaylet   # every shell

Exit codes: 0 printed, 2 wrong usage.`,
  run(args, io) {
    if (args.length !== 1 || args[0] !== "bash") {
      return Promise.reject(usageError("usage: quaylet completion bash"));
    }
    io.stdout(bashScript());
    return Promise.resolve(EXIT.ok);
  },
};

function bashScript(): string {
  const cases = Object.entries(COMPLETIONS).map(([command, words]) => {
    const list = command === "help" ? Object.keys(COMPLETIONS) : words;
    return `    ${command}) words="${list.join(" ")}" ;;`;
  });
  const values = Object.entries(VALUES).map(([flag, words]) =>
    `    ${flag}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current")); return ;;`
  );
  const own = Object.entries(SUBCOMMANDS).map(([subcommand, words]) =>
    `    "${subcommand}") words="${words.join(" ")} $words" ;;`
  );
  return `# bash completion for quaylet
_quaylet() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  case "$previous" in
    --data|--config) COMPREPLY=($(compgen -d -- "$current")); return ;;
${values.join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${Object.keys(COMPLETIONS).join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  case "\${COMP_WORDS[1]}" in
    ${OPERATOR_COMMANDS.join("|")}) [ "$COMP_CWORD" -gt 2 ] && words="${OPERATOR_FLAGS.join(" ")}" ;;
  esac
  [ "$COMP_CWORD" -gt 2 ] && case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${own.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _quaylet quaylet
`;
}
