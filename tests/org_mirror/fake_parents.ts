/** A Quay and a Harbor to discover: their lists of repositories, with a real registry API behind each name. */
import { basicHeader } from "../../src/drivers/upstream/authorization.ts";
import { type FakeRegistry, startFakeRegistry } from "../mirror/fake_registry.ts";

export interface FakeNamespace extends FakeRegistry {
  /** What is listed, without the namespace. */
  readonly repositories: string[];
  /** So many on a page. */
  pageSize: number;
  /** Requests without it are refused, also those of the registry API. */
  authorization: string | undefined;
  /** Answers instead of a page of the list, when it answers. */
  insteadOfPage: (url: URL, page: number) => Response | undefined;
}

export const QUAY_TOKEN = "a-token-of-the-api";
export const HARBOR_ACCOUNT = { username: "robot$edge", password: "harbor-secret" };

/** The namespace `base` of a Quay. */
export function startFakeQuay(): FakeNamespace {
  return startNamespace(`Bearer ${QUAY_TOKEN}`, (fake, url) => {
    if (url.pathname !== "/api/v1/repository") return undefined;
    const page = Number(url.searchParams.get("next_page")?.replace("page/", "") ?? 1);
    const instead = fake.insteadOfPage(url, page);
    if (instead !== undefined) return instead;
    const start = (page - 1) * fake.pageSize;
    const names = fake.repositories.slice(start, start + fake.pageSize);
    return Response.json({
      repositories: names.map((name) => ({ namespace: "base", name, kind: "image", is_public: false })),
      ...(start + fake.pageSize < fake.repositories.length ? { next_page: `page/${page + 1}` } : {}),
    });
  });
}

/** The project `base` of a Harbor. */
export function startFakeHarbor(): FakeNamespace {
  return startNamespace(basicHeader(HARBOR_ACCOUNT), (fake, url) => {
    if (url.pathname !== "/api/v2.0/projects/base/repositories") return undefined;
    const page = Number(url.searchParams.get("page"));
    const instead = fake.insteadOfPage(url, page);
    if (instead !== undefined) return instead;
    const size = Math.min(fake.pageSize, Number(url.searchParams.get("page_size")));
    const names = fake.repositories.slice((page - 1) * size, page * size);
    const hasNext = page * size < fake.repositories.length;
    return Response.json(names.map((name) => ({ id: 1, name: `base/${name}` })), {
      headers: {
        "x-total-count": `${fake.repositories.length}`,
        ...(hasNext && { link: `</api/v2.0/projects/base/repositories?page=${page + 1}>; rel="next"` }),
      },
    });
  });
}

function startNamespace(
  authorization: string,
  list: (fake: FakeNamespace, url: URL) => Response | undefined,
): FakeNamespace {
  const fake: FakeNamespace = Object.assign(startFakeRegistry(), {
    repositories: [] as string[],
    pageSize: 100,
    authorization: authorization as string | undefined,
    insteadOfPage: (() => undefined) as FakeNamespace["insteadOfPage"],
  });
  fake.instead = (request) => {
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/api/")) return undefined;
    if (fake.authorization !== undefined && request.headers.get("authorization") !== fake.authorization) {
      return new Response(null, { status: 401 });
    }
    return list(fake, url) ?? new Response(null, { status: 404 });
  };
  return fake;
}

export async function withNamespace(
  start: () => FakeNamespace,
  test: (fake: FakeNamespace) => Promise<void>,
): Promise<void> {
  const fake = start();
  try {
    await test(fake);
  } finally {
    await fake.stop();
  }
}
