// Calls of the room's API. A failed call is an ApiError with one sentence and what to do.

import type { Problem } from "./types";
import { language, said, t } from "../i18n";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly remedy: string,
    readonly waitSeconds = 0,
  ) {
    super(detail);
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

/** What went wrong and what to do about it, in one line. */
export function inWords(error: unknown): string {
  return error instanceof ApiError ? `${error.detail} ${error.remedy}`.trim() : String(error);
}

const API = "/api/v1";
const TIMEOUT_MS = 20_000;

export async function call(method: string, path: string, body?: unknown): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(API + path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(method !== "GET" && {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body ?? {}),
      }),
    });
  } catch {
    throw new ApiError(0, "offline", t("problem.offline"), t("problem.offline.remedy"));
  }
  if (answer.ok) return answer;
  const wait = Number(answer.headers.get("retry-after") ?? 0);
  let problem: Partial<Problem> = {};
  try {
    problem = (await answer.json()) as Partial<Problem>;
  } catch {
    // A proxy's own error page: the status is all there is to say.
  }
  // The room speaks English; what it says often is said in the reader's language.
  const known = language.value === "en" ? "" : said(`problem.code.${problem.code}`, "");
  throw new ApiError(
    answer.status,
    problem.code ?? "http",
    known || (problem.detail ?? t("problem.http", { n: answer.status })),
    known ? "" : (problem.remedy ?? t("problem.offline.remedy")),
    wait,
  );
}

export async function get<T>(path: string): Promise<T> {
  return (await (await call("GET", path)).json()) as T;
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  const answer = await call("POST", path, body);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export async function patch<T>(path: string, body: unknown): Promise<T> {
  return (await (await call("PATCH", path, body)).json()) as T;
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  return (await (await call("PUT", path, body)).json()) as T;
}

export async function remove(path: string): Promise<void> {
  await call("DELETE", path);
}

/** A source's newest picture, or null when it sends none. */
export async function picture(source: string): Promise<Blob | null> {
  const answer = await call("GET", `/sources/${encodeURIComponent(source)}/picture`);
  return answer.status === 204 ? null : answer.blob();
}
