/** People who are invited to teams, and teams that follow groups. */
import { byAlice, type Writing, type Writings } from "./written.ts";
import type { World } from "../world.ts";

const MEMBERS = "/organization/acme/team/members";
const INVITE = [200, "PUT", `${MEMBERS}/members/bob`] as const;
/** Without mails people are put into teams unasked. */
const config = { FEATURE_MAILING: true };
const inAcme = byAlice({ account: "acme" });
const TEAM = { team: "members" };

/** What bob does with alice's invitation. */
function answered(method: string, status: number): Writing {
  return {
    config,
    async act({ alice, deps, site }: World) {
      await alice.expect(...INVITE);
      const [row] = await deps.sql<{ code: string }[]>`select invite_token as code from teammemberinvite`;
      await (await site.browserOf("bob")).expect(status, method, `/teaminvite/${row?.code}`);
    },
    row: () => ({
      account: "acme",
      performer: "bob",
      metadata: { ...TEAM, member: "bob", inviter: "alice" },
    }),
  };
}

const SYNC = {
  AUTHENTICATION_TYPE: "LDAP",
  FEATURE_TEAM_SYNCING: true,
  FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP: true,
} as const;
const GROUP = { group_dn: "cn=crew" };

export const invitationKinds: Writings = {
  org_invite_team_member: { ...inAcme({ ...TEAM, user: "bob", member: "bob" }, INVITE), config },
  org_delete_team_member_invite: {
    ...inAcme({ ...TEAM, user: "bob", member: "bob" }, INVITE, [204, "DELETE", INVITE[2]]),
    config,
  },
  org_team_member_invite_accepted: answered("PUT", 200),
  org_team_member_invite_declined: answered("DELETE", 204),
  enable_team_sync: {
    ...inAcme({ ...TEAM, ...GROUP }, [200, "POST", `${MEMBERS}/syncing`, GROUP]),
    config: SYNC,
  },
  disable_team_sync: {
    ...inAcme(TEAM, [200, "POST", `${MEMBERS}/syncing`, GROUP], [200, "DELETE", `${MEMBERS}/syncing`]),
    config: SYNC,
  },
};
