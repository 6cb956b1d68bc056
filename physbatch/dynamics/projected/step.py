"""Compiled parts of one step of projected dynamics: compare outputs, sum up, move the student."""

from physbatch.dynamics.compiled import compiled_floats, compiled_within, draw_count
from physbatch.dynamics.projected.parts import (
    activate,
    add_product,
    add_row,
    add_scaled,
    set_product,
)


@compiled_within
def draw_counts(counts, run, index, replicas):
    """How many samples each lane's batch holds."""
    lanes = replicas.shape[0]
    for lane in range(lanes):
        counts[lane] = draw_count(run.floor, run.threshold, run.key, index, replicas[lane])


@compiled_floats
def compare_outputs(room, state, noise, activation):
    """y* + noise - y and g'(lambda_i) of one sample."""
    z, inside, wrong = room.z, room.inside, room.wrong
    teacher, perpendicular = state.teacher, state.perpendicular
    students, teachers, lanes = inside.shape
    field, output, unused = room.rows[0], room.rows[1], room.rows[2]
    for lane in range(lanes):
        wrong[lane] = 0.0
    if noise > 0.0:
        add_scaled(wrong, noise, z[students + teachers])
    for n in range(teachers):
        set_product(field, teacher[n, 0], z[0])
        for j in range(1, n + 1):
            add_product(field, teacher[n, j], z[j])
        activate(field, output, unused, activation)
        add_row(wrong, output)
    for i in range(students):
        set_product(field, inside[i, 0], z[0])
        for n in range(1, teachers):
            add_product(field, inside[i, n], z[n])
        for k in range(i + 1):
            add_product(field, perpendicular[i, k], z[teachers + k])
        activate(field, output, room.slope[i], activation)
        for lane in range(lanes):
            wrong[lane] -= output[lane]


@compiled_floats
def add_sample(room, direct, sample):
    """Add a sample to D' times the fields and to D' D, with D = wrong g'; the slopes become D."""
    z, wrong, slope, matrix = room.z, room.wrong, room.slope, room.matrix
    students, teachers, lanes = room.toward.shape
    for i in range(students):
        drive = slope[i]
        for lane in range(lanes):
            drive[lane] *= wrong[lane]
        for n in range(teachers):
            add_product(room.toward[i, n], drive, z[n])
        for k in range(students):
            add_product(matrix[i, k], drive, z[teachers + k])
        if direct:
            column = room.factor[i, sample]
            for lane in range(lanes):
                column[lane] = drive[lane]
        else:
            for k in range(i + 1):
                add_product(room.gram[i, k], drive, slope[k])


@compiled_within
def move_student(room, state, direct, inverse_size):
    """E += D' z/N; `matrix` becomes (P + D' u/N, A B/N), from which the new P follows."""
    matrix, factor, wishart = room.matrix, room.factor, room.wishart
    students, teachers, lanes = room.toward.shape
    rank = wishart.shape[0]
    for i in range(students):
        for n in range(teachers):
            add_scaled(state.difference[i, n], inverse_size, room.toward[i, n])
        for j in range(rank):
            column = matrix[i, students + j]
            for k in range(j, rank if direct else i + 1):
                add_product(column, factor[i, k], wishart[k, j])
        for number in range(students + rank):
            column = matrix[i, number]
            for lane in range(lanes):
                column[lane] *= inverse_size
        for k in range(i + 1):
            add_row(matrix[i, k], state.perpendicular[i, k])
