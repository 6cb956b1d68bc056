"""Forms of scaling: power laws, Kosterlitz-Thouless, logarithms, activated, and one's own.

`make_form` builds one by its name (`FORMS`) or from formulas (`Custom`). All of them do what
`physbatch.scaling.data_collapse.form.ScalingForm` says; but for the power law each is written as
formulas, from which exact derivatives follow. `form_evidence` says how well a form describes
data, in numbers that compare between forms.
"""

from physbatch.scaling.data_collapse.forms.custom import Custom
from physbatch.scaling.data_collapse.forms.evidence import FormEvidence, form_evidence
from physbatch.scaling.data_collapse.forms.make import FORMS, make_form

__all__ = ["FORMS", "Custom", "FormEvidence", "form_evidence", "make_form"]
