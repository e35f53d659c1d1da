// Recordings: what can be watched here.

import "../style/tokens.css";
import "../style/base.css";
import "../style/frame.css";
import "../style/recordings.css";
import { t } from "../i18n";
import { me } from "../room/store";
import { Frame, Gate, showPage } from "../ui/frame";
import { List } from "./list";

function Page() {
  return (
    <Frame>
      <Gate may={me.value?.role != null}>
        <List />
      </Gate>
    </Frame>
  );
}

showPage(<Page />, () => t("recordings"));
