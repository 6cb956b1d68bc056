"""The list of every flag: what it means, and what to do about it.

``BAD_FIT(text)`` makes a flag, ``BAD_FIT.among(flags)`` finds one. The page docs/flags.md is
made of this list. A kind has the name of its constant, in small letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from physbatch.results.flag import FlagKind, flag_kinds

ABOVE_GRID = FlagKind(
    "What is sought lies beyond the largest control of the grid, so there is no number.",
    "Extend the grid to larger controls (learning rates).",
)
ALL_AT_ONCE = FlagKind(
    "Every replica passed before the first measurement: the escape time is shorter than that.",
    "Measure earlier and more often.",
)
ALWAYS_LEARNS = FlagKind(
    "Half of the replicas learn already with the smallest batch: the edge is not in the grid.",
    "Add smaller batch sizes.",
)
ANALYTIC_KT_NOT_EXCLUDED = FlagKind(
    "Of the two variables of Kosterlitz and Thouless the other one describes the data about as "
    "well, or better: then nothing is stated.",
    "Use --form kt.",
)
ANTICORRELATED = FlagKind(
    "Successive samples scatter to opposite sides; 1/2 is used as autocorrelation time.",
    "None is needed: the errors are on the safe side.",
)
AT_BOUND = FlagKind(
    "A parameter ran to the end of its allowed range: the data do not hold it.",
    "Fix it, start elsewhere, or choose a form without it; add sizes or points.",
)
AT_EDGE = FlagKind(
    "The extremum is at the end of the grid or does not stand out from it.",
    "Extend the grid on that side.",
)
BAD_FIT = FlagKind(
    "No form describes the data within their errors; what stands there is the nearest one.",
    "Leave out small sizes or far points (--size-min, --control-min, --control-max), try "
    "corrections to scaling, or check the errors.",
)
BELOW_GRID = FlagKind(
    "What is sought lies below the smallest control of the grid, so there is no number.",
    "Extend the grid to smaller controls (learning rates).",
)
BEYOND_HISTOGRAMS = FlagKind(
    "Too few samples of the runs tell of these controls, left out.", "Simulate nearer to them."
)
BEYOND_CONTROLS = FlagKind(
    "A critical control outside the measured ones fits about as well: none is stated.",
    "Add points on both sides of the transition.",
)
BIMODAL = FlagKind(
    "Two different answers fit about equally well: none is stated.",
    "Keep the controls near one of them (--control-min, --control-max), or fix an exponent.",
)
BINNED = FlagKind(
    "Neighbouring points of a size are averaged, as there are more than the fit can take.",
    "None is needed; a narrower range (--control-min, --control-max) keeps more of the points.",
)
CELLS_LEFT_OUT = FlagKind(
    "Cells of the dataset hold no number and are not in the table.",
    "Finish the run if they should.",
)
CHAIN_SHORT = FlagKind(
    "The Markov chain is too short for its autocorrelation time: its intervals are uncertain.",
    "Allow more steps, or take the errors from the curvature.",
)
COLUMNS_GUESSED = FlagKind(
    "Which columns are size, control, observable and error was guessed from their names.",
    "Compare the guess, or name the columns.",
)
CONSTANT_MINORITY = FlagKind(
    "The same part of the runs is stuck in the other peak everywhere.", "Look at those runs."
)
CORRELATED_POINTS = FlagKind(
    "Neighbouring points scatter less than their errors: they move together, or errors are large.",
    "Give the covariance, or independent errors.",
)
CURVED = FlagKind(
    "m_c is not linear in the logarithm of run time; the slope is that of late times.",
    "Run longer to see the late times.",
)
DEGENERATE_RESAMPLES = FlagKind(
    "Some resamples do not resolve the width of the success curve: the error is approximate.",
    "Add replicas, or controls around m_c.",
)
DIVERGED = FlagKind(
    "Replicas left the range of numbers; the text says whether they count as failures.",
    "Lower the learning rate if there should be none.",
)
DRIFT_NOT_EXCLUDED = FlagKind(
    "The critical control drifts with the size more slowly than N^(-1/nu), or may well do so.",
    "Add larger sizes; fit the drift (--drift) to see its exponent.",
)
ERRORS_TOO_LARGE = FlagKind(
    "The data scatter less than their errors allow; the text has the factor.",
    "Look how the errors were made; the total error goes by the scatter.",
)
ERRORS_TOO_SMALL = FlagKind(
    "The data scatter more than their errors, about any curve or law with corrections to scaling.",
    "Look how the errors were made (autocorrelation?); the total error goes by the scatter.",
)
ERRORS_UNKNOWN = FlagKind(
    "The data state no errors: they are estimated from the scatter of neighbouring points.",
    "Give the column of the errors if there is one, or several rows (replicas) for each point.",
)
ESSENTIAL_SINGULARITY_POSSIBLE = FlagKind(
    "The width falls as a power of ln N as well: of infinite order, or none.", "Add larger sizes."
)
FEW = FlagKind(
    "Fewer than two replicas are left: there is no mean with an error.", "Run more replicas."
)
FEW_PASSAGES = FlagKind(
    "The weights of two phases are hardly known: few passages.", "Simulate longer, or by exchange."
)
FEW_POINTS = FlagKind(
    "Too few points for a polynomial of the asked degree.",
    "Add controls, or ask for a lower degree.",
)
FEW_SAMPLES = FlagKind(
    "A point rests on so few samples that its error is itself uncertain.",
    "Add samples, or leave the point out (--exclude).",
)
FEW_SIZES = FlagKind(
    "With fewer than four sizes no extrapolation can be tested: the text says what the limit is.",
    "Add sizes; the total error holds corrections of the usual size.",
)
FEW_TIMES = FlagKind(
    "m_c could be fitted at fewer than three times: its drift has no slope.",
    "Measure at more times, or run more replicas.",
)
FIXED_EXPONENT = FlagKind(
    "The data do not fix the exponent of the approach: averaged over all that are usual.",
    "Add sizes; the total error holds the spread.",
)
FLAT = FlagKind(
    "The data do not determine the named parameters: the goodness hardly changes along them.",
    "Fix an exponent, or add sizes or points near the transition.",
)
FOLDED = FlagKind(
    "The law is even about 0 or a fixed mean: the distance is analysed.", "None is needed."
)
INCONSISTENT = FlagKind(
    "Two ways to the same number differ by more than their errors.",
    "Trust neither: the description behind both does not hold there.",
)
KOSTERLITZ_THOULESS_NOT_EXCLUDED = FlagKind(
    "A transition without a nu describes the data about as well, or better: then none is stated.",
    "Compare --form kt; add larger sizes.",
)
LEFT_OUT = FlagKind(
    "Some points have no value or no error and are not in the fit.", "Look at why they have none."
)
LIMIT_NOT_PROVEN = FlagKind(
    "A logarithm of size describes the values about as well: a finite limit is not shown.",
    "Add larger sizes.",
)
LOG_FACTOR_NOT_EXCLUDED = FlagKind(
    "A power of the logarithm of the size describes the data at least as well; zeta moves with it.",
    "Compare --form log; hold p if theory knows it; add larger sizes.",
)
M_C_ABOVE_GRID = FlagKind(
    "Fewer than half of the replicas succeed even at the largest control.",
    "Add larger controls, or run longer.",
)
M_C_BELOW_GRID = FlagKind(
    "More than half of the replicas succeed even at the smallest control.", "Add smaller controls."
)
MEDIAN_BEYOND = FlagKind(
    "More than half of the replicas had not passed when the run ended.", "Run longer."
)
MISSING = FlagKind(
    "Replicas were not simulated and are left out.", "Finish the run with the same command."
)
MOSTLY_REJECTED = FlagKind(
    "The scaling form holds only in windows that leave out most of the data.",
    "Try corrections to scaling, or larger sizes.",
)
NAN = FlagKind(
    "Replicas that ended well have an overlap that is not a number.",
    "Report it: it should not happen.",
)
NEVER_LEARNS = FlagKind(
    "Fewer than half of the replicas succeed anywhere in the grid.",
    "Run longer, or extend the grid.",
)
NO_CHANGE = FlagKind(
    "No replica passes between these times: m_c stays, and the slope has no error.",
    "Run longer, or measure earlier.",
)
NO_CROSSING = FlagKind(
    "Two curves do not cross significantly within their common controls.",
    "Add controls on both sides, or smaller errors.",
)
NO_DATA = FlagKind(
    "No replica has a valid status.", "Run the study, or look at why all replicas failed."
)
NO_DELAY = FlagKind("The likelihood is largest without a delay: it is 0.", "None is needed.")
NO_FINITE_LIMIT = FlagKind(
    "The values go on as the logarithm of size: there is no limit.",
    "Take it as the answer, or add larger sizes.",
)
NO_INVERSE = FlagKind(
    "The estimate is compatible with 0, so its inverse is not known.", "Make the estimate better."
)
NO_LOGARITHM = FlagKind(
    "An observable is not above 0 where its power of the size is sought.",
    "Choose one that is positive, as an order parameter or a susceptibility.",
)
NO_OVERLAP = FlagKind(
    "Curves share no range, or so little of it that anything collapses.",
    "Measure the sizes at common (rescaled) controls; check whether c_c is within them.",
)
NO_PARAMETER = FlagKind(
    "The law that was fitted has no parameter of this name.", "Ask for one that it has."
)
NO_PASSAGE = FlagKind("No replica passed: there is only a lower bound.", "Run longer.")
NO_PEAK = FlagKind(
    "No polynomial describes a peak within the errors, or too few points tell.",
    "Measure more closely around the maximum.",
)
NO_ROOT = FlagKind(
    "The growth does not change its sign: there is no threshold.",
    "None is needed: the batch is stable at every learning rate.",
)
NO_SHARPENING = FlagKind(
    "The range with two peaks does not shrink with the size.", "Add larger sizes and controls."
)
NO_SIZE = FlagKind(
    "The quantity is not known at any size, so it has no limit.", "See the flags of the sizes."
)
NO_SUSCEPTIBILITY = FlagKind(
    "Sizes are linear and the dimension of space is not stated: no volume, no susceptibility.",
    "State the dimension of space, or that sizes are volumes.",
)
NO_THRESHOLD = FlagKind(
    "The growth rate has no single zero within the controls.",
    "Add controls on both sides of the zero.",
)
NOT_CONVERGED = FlagKind(
    "The iteration did not end at an optimum.",
    "Start elsewhere, or fix a parameter that the data do not hold.",
)
NOT_EXPONENTIAL = FlagKind(
    "Another law than the exponential describes the passages better: tau is no escape rate.",
    "Fit a delay, or look at later times.",
)
NOT_RESOLVED = FlagKind(
    "Resampled curves often have no crossing or peak: its error cannot be told.",
    "Add points or replicas around it.",
)
ONE_CONTROL = FlagKind("The controls do not bracket m_c.", "Add controls.")
ONE_SIDED = FlagKind(
    "Nearly all points lie on one side of c_c, which is extrapolated.",
    "Add points on the other side.",
)
ONE_SIZE = FlagKind("The quantity is known at one size; a tested limit needs three.", "Add sizes.")
OUTSIDE = FlagKind(
    "The point that was asked for lies outside what was measured or tabulated.",
    "Measure on both sides of it.",
)
POINTS_LEFT_OUT = FlagKind(
    "Points have too few independent samples, or a moment without spread, and are left out.",
    "Run longer there.",
)
POINTS_WITHOUT_SPREAD = FlagKind(
    "At some points all samples agree, which shows no error: they are left out.",
    "Add samples there if they matter.",
)
POOR_FIT = FlagKind(
    "No polynomial describes the points near the asked control.",
    "Check the errors, or measure more closely.",
)
POWER_LAW_NOT_EXCLUDED = FlagKind("A power law fits about as well.", "Compare --form power.")
PROFILE_MISMATCH = FlagKind(
    "The error from the curvature and the profile interval differ: the likelihood is skew.",
    "Use the interval, or add replicas.",
)
RESAMPLES_FAILED = FlagKind(
    "Refits of resampled data did not converge: the error rests on the others.",
    "Take it as a lower bound; simplify the form, or add data.",
)
ROWS_CORRELATED = FlagKind(
    "Neighbouring samples are alike, so errors of independent rows are too small.",
    "Say that the rows are a series, or in which clusters they lie.",
)
ROWS_LEFT_OUT = FlagKind(
    "Rows of a file without a value, or with an error of 0, are left out.",
    "Look at them; --strict refuses such a file.",
)
OUTLIERS = FlagKind(
    "Single values lie far from what all others predict and are left out.",
    "Look at them; correct or remove them in the data.",
)
PAIRED_CONTROLS = FlagKind(
    "Replicas have the same disorder at every control; fits take points as independent.",
    "Compare controls replica by replica; for m_c and exponents leave `seed.paired` out.",
)
SAMPLES_NEEDED = FlagKind(
    "A curve with errors has no histogram to show a jump.", "Give a row for each independent value."
)
SEVERAL_CROSSINGS = FlagKind(
    "Two curves cross more than once; the text says which crossing is taken.",
    "Say near which control to look.",
)
SEVERAL_PEAKS = FlagKind(
    "Polynomials that describe the data have peaks far apart; the systematic error says so.",
    "Measure more closely around the maximum.",
)
SHARED_GRAPHS = FlagKind(
    "Replicas share graphs; the tests for two peaks take them as independent.",
    "Read small probabilities of these tests with care; all errors know of the graphs.",
)
SIZES_OFFSET = FlagKind(
    "All values of a size are off by a common amount, more than their errors.",
    "See whether all sizes were prepared, equilibrated and measured alike.",
)
SHIFT_NOT_SEEN = FlagKind(
    "The drift of c_c goes as the scaling variable itself: its amplitude means nothing.",
    "Fit without the drift.",
)
SLOW_CORRECTIONS = FlagKind(
    "Corrections to scaling fall so slowly that the sizes hardly differ in them: omega below 0.4.",
    "Add much larger sizes; compare --form log, and hold omega if theory knows it.",
)
SMALL_SIZES_EXCLUDED = FlagKind(
    "No form describes the smallest sizes; the fit begins above them.",
    "Add larger sizes, or a form with corrections.",
)
STARTS = FlagKind(
    "Which initial overlaps were taken as the uninformed and the planted start.",
    "None is needed.",
)
STARTS_DISAGREE = FlagKind(
    "Few starts lead to this optimum, which is no good fit: a better one may exist.",
    "Ask for more starts, or give one.",
)
STEP = FlagKind(
    "The curve jumps between two neighbouring points: the edge lies between them.",
    "Refine the grid there.",
)
STILL_RELAXING = FlagKind(
    "The mean drifts with time, or may well do.", "Run longer; give times over a decade."
)
THIN_HISTOGRAMS = FlagKind(
    "Neighbouring runs share few independent samples.", "Simulate between them, or longer."
)
THIN_OVERLAP = FlagKind(
    "Neighbouring sizes share few points on the scaling plot.", "Add points near c_c."
)
TIME = FlagKind(
    "The data were measured at several times; which one was taken is said.",
    "Name the time if another is meant.",
)
TOO_FEW_POINTS = FlagKind(
    "No more points than parameters: a fit through them tests nothing.",
    "Add sizes (controls), or fix a parameter.",
)
TWO_PEAKS_AT_GRID_END = FlagKind(
    "At an end of the grid the largest size has two peaks: symmetric states, or stuck runs.",
    "Extend the grid on that side, or bring an order parameter that all symmetric states share.",
)
TWO_SIZES = FlagKind(
    "The quantity is known at two sizes; a tested limit needs three.", "Add sizes."
)
UNDETERMINED = FlagKind(
    "A fit does not hold the named exponent within a useful range and is not used.",
    "Add sizes, or fix the exponent.",
)
UNIMODAL = FlagKind(
    "The histogram shows one peak at each control near the transition: there is no jump.",
    "Take it as the answer, or add replicas (samples) and larger sizes.",
)
WEAKLY_SINGULAR_OBSERVABLE = FlagKind(
    "An energy, or means that depend on N more than 1/N: a weak singularity could hide there.",
    "Bring the order parameter (a magnetisation, an overlap), or its susceptibility.",
)
WIDTH_UNRESOLVED = FlagKind(
    "Success goes from none to all between two controls: m_c is bracketed, the width bounded.",
    "Refine the grid around m_c.",
)

for _constant, _kind in list(globals().items()):
    if isinstance(_kind, FlagKind):
        _kind.named(_constant.lower())

#: Kinds that say what the errors of data are worth: they travel from a table to every result.
ON_ERRORS: tuple[FlagKind, ...] = (BINNED, CELLS_LEFT_OUT, ERRORS_UNKNOWN, FEW_SAMPLES)
ON_ERRORS += (PAIRED_CONTROLS, POINTS_WITHOUT_SPREAD, ROWS_CORRELATED)

#: Every kind by its name.
FLAGS: Mapping[str, FlagKind] = MappingProxyType(flag_kinds())
