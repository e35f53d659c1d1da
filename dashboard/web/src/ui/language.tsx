// Choosing the language: with two, one touch; with more, a list of their own names.

import { useSignal } from "@preact/signals";
import { NAMES, language, speak, t } from "../i18n";
import { me } from "../room/store";
import { Button } from "./button";
import { Dialog } from "./dialog";

export function LanguageChoice() {
  const open = useSignal(false);
  const offered = (me.value?.languages ?? []).filter((name) => name in NAMES);
  const others = offered.filter((name) => name !== language.value);
  if (others.length === 0) return null;
  const [only] = others;
  if (others.length === 1 && only !== undefined) {
    return (
      <Button local kind="quiet" icon="language" act={() => void speak(only)}>
        <span lang={only}>{NAMES[only]}</span>
      </Button>
    );
  }
  return (
    <>
      <Button
        local
        kind="quiet"
        icon="language"
        label={`${t("action.language")}: ${NAMES[language.value] ?? ""}`}
        act={() => {
          open.value = true;
        }}
      >
        <span class="wide-only">{NAMES[language.value]}</span>
      </Button>
      {open.value && (
        <Dialog title={t("action.language")} close={() => (open.value = false)}>
          <div class="language-list">
            {offered.map((name) => (
              <Button
                key={name}
                local
                pressed={name === language.value}
                act={() => {
                  void speak(name);
                  open.value = false;
                }}
              >
                <span lang={name} dir={name === "ar" ? "rtl" : "ltr"}>
                  {NAMES[name]}
                </span>
              </Button>
            ))}
          </div>
        </Dialog>
      )}
    </>
  );
}
