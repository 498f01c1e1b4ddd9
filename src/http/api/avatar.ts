import { createHash } from "node:crypto";
import * as z from "zod";

export const avatarSchema = z.object({
  name: z.string(),
  hash: z.string().meta({ description: "SHA-256 of the e-mail address or name, lower-case." }),
  color: z.string(),
  kind: z.enum(["user", "org", "team", "robot", "app"]),
});

export type Avatar = z.infer<typeof avatarSchema>;

const HUES = 16;
const COLORS: readonly string[] = Array.from(
  { length: HUES },
  (_, digit) => hslHex(Math.round((360 / HUES) * digit), 0.5, 0.45),
);

/**
 * What stands in for a picture: a hash to look one up by and a colour that stays the same.
 * @param identity e-mail address, or the name where there is none
 */
export function avatar(kind: Avatar["kind"], name: string, identity: string = name): Avatar {
  const hash = createHash("sha256").update((identity || name).trim().toLowerCase()).digest("hex");
  return { name, hash, color: COLORS[parseInt(hash.slice(0, 1), HUES)] as string, kind };
}

export type TeamViews = (name: string) => { name: string; avatar: Avatar };

/** Teams of an organization as lists of its people show them: of thousands of people most are in the same few. */
export function teamViews(organization: string): TeamViews {
  const known = new Map<string, ReturnType<TeamViews>>();
  return (name) => {
    const view = known.get(name) ?? { name, avatar: avatar("team", name, `${organization}/${name}`) };
    known.set(name, view);
    return view;
  };
}

function hslHex(hue: number, saturation: number, lightness: number): string {
  const amplitude = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    const value = lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value).toString(16).padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
