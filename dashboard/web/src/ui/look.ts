// Light or dark: as the system says, until someone chooses here.

import { signal } from "@preact/signals";
import { keep, kept } from "./kept";

type Look = "light" | "dark";
const CHOSEN = "look";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen(): Look | null {
  const found = kept(CHOSEN);
  return found === "light" || found === "dark" ? found : null;
}

export const look = signal<Look>(chosen() ?? (system.matches ? "dark" : "light"));

function show(): void {
  document.documentElement.dataset["look"] = look.value;
}

system.addEventListener("change", () => {
  if (chosen() === null) look.value = system.matches ? "dark" : "light";
  show();
});

export function changeLook(): void {
  look.value = look.value === "dark" ? "light" : "dark";
  keep(CHOSEN, look.value);
  show();
}

show();
