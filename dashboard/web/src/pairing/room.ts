// What the pairing page knows: the tablets, and the codes that are out.

import { signal } from "@preact/signals";
import { ApiError, get, inWords, patch, post, remove } from "../api/client";
import type { CodeView, NewCodes, TabletView } from "../api/types";

export type Tablet = TabletView;
export type Code = CodeView;
export type Wanted = NewCodes;

const EVERY_MS = 3000;

export const tablets = signal<Tablet[] | null>(null);
export const codes = signal<Code[]>([]);
export const problem = signal("");
export const lost = signal(false);

/** Does something and looks again; a failure is shown, and told by false. */
export async function act(work: () => Promise<unknown>): Promise<boolean> {
  problem.value = "";
  try {
    await work();
    await look();
    return true;
  } catch (error) {
    problem.value = inWords(error);
    return false;
  }
}

export async function look(): Promise<void> {
  try {
    const [listed, open] = await Promise.all([
      get<Tablet[]>("/tablets"),
      get<Code[]>("/tablets/codes"),
    ]);
    tablets.value = listed;
    codes.value = open;
    lost.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.offline) lost.value = true;
    else problem.value = inWords(error);
  }
}

export function watch(): () => void {
  void look();
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") void look();
  }, EVERY_MS);
  return () => clearInterval(timer);
}

export const make = (wanted: Wanted) => act(() => post("/tablets/codes", wanted));
export const cancel = (code: string) => act(() => remove(`/tablets/codes/${code}`));
export const change = (tablet: string, to: { name?: string; seat?: string; swap?: boolean }) =>
  patch(`/tablets/${tablet}`, to);
export const revoke = (tablet: string) => act(() => post(`/tablets/${tablet}/revoke`));
export const forget = (tablet: string) => act(() => remove(`/tablets/${tablet}`));
