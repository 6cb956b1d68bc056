r"""Design of experiments: which sizes and controls to simulate next, for a stated error.

What is known of a success curve is the law of m_c and its width w given the counts
(`success_posterior`). A cell of n replicas at control c of size N succeeds k times with the chance
that the law predicts; each k would leave another law. The cell to compute next is the one with

.. math::

    \max_{N, c} \frac{\mathrm{Var}(Q) - \mathrm{E}_k \mathrm{Var}(Q \mid k)}
                      {\mathrm{cost}(N, c)}

where Q is the asked quantity: ln m_c of one size, or the slope b of ln m_c against ln N, whose
variance follows from those of ln m_c (`choose_cells`). Several cells are chosen one after the
other, under imagined outcomes of those before. While all replicas below some control failed and
all above another succeeded this halves the bracket between them; when the width shows, cells go to
where the success is about one half, and some to a fifth and four fifths, which tell the width.

A law given data does not depend on why one stopped looking: the rule "stop when the error is small"
changes neither it nor its spread. How well its 68 % intervals do in repeated use is measured
(docs/how-to/refine.md).

The jump is averaged over the controls at which both phases are there (`latent_overlap`); for an
exponent of a collapse the variance is that of a fit with a free master curve
(`choose_for_exponent`).

References
----------
Chaloner and Verdinelli, Statist. Sci. 10 (1995) 273, doi 10.1214/ss/1177009939.

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.design import Rules, choose_cells, success_posterior
>>> law = success_posterior([8.0, 18.0], [0, 8], [8, 8])
>>> cells, _ = choose_cells({100.0: law}, lambda known: known[100.0], lambda size, m: m,
...                         Rules(replicas=8, most=1, error=0.02), np.random.default_rng(1))
>>> 10.0 < cells[0].control < 15.0
True
"""

from physbatch.scaling.design.choice import Chosen, Rules, choose_cells
from physbatch.scaling.design.coexistence import Coexistence, latent_overlap
from physbatch.scaling.design.master_curve import choose_for_exponent
from physbatch.scaling.design.objectives import size_exponent, slope_variance
from physbatch.scaling.design.posterior import Counts, SuccessPosterior, success_posterior

__all__ = [
    "Chosen",
    "Coexistence",
    "Counts",
    "Rules",
    "SuccessPosterior",
    "choose_cells",
    "choose_for_exponent",
    "latent_overlap",
    "size_exponent",
    "slope_variance",
    "success_posterior",
]
