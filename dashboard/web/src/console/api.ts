// Calls of the console: what goes wrong is said at the top of the page.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, call, inWords } from "../api/client";
import type { Problem } from "../api/types";
import { t as shared } from "../i18n";

export const problem = signal("");

/** Ask the room; null when it refused, which is said on the page. */
export async function told<T>(method: string, path: string, body?: unknown): Promise<T | null> {
  try {
    const answer = await call(method, path, body);
    problem.value = "";
    return answer.status === 204 ? null : ((await answer.json()) as T);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem.value = inWords(error);
    return null;
  }
}

/** Send a file; null when the room refused it, which is said on the page. */
export async function sent<T>(path: string, file: File): Promise<T | null> {
  const headers = { "content-type": "application/zip" };
  const answer = await fetch(`/api/v1${path}`, { method: "POST", headers, body: file }).catch(() => null);
  const said = answer === null ? null : ((await answer.json().catch(() => null)) as unknown);
  if (answer?.ok) {
    problem.value = "";
    return said as T;
  }
  const trouble = said as Partial<Problem> | null;
  problem.value = `${trouble?.detail ?? shared("problem.offline")} ${trouble?.remedy ?? ""}`.trim();
  return null;
}

/** Run at once and every `ms` while the view is shown and the page is looked at. */
export function useEvery(ms: number, run: () => Promise<unknown>, on: unknown = null): void {
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const next = async () => {
      if (!document.hidden) await run();
      if (!stopped) timer = window.setTimeout(() => void next(), ms);
    };
    void next();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [on]);
}
